"""A shot's cells: order, zip, where, exclude, include; lazily, and never one twice."""

from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.domain.errors import UserError
from pipeline.manifest.model import AxisValue, Shot
from pipeline.matrix import Matrix
from tests.plan.making import axis, shot, value


def keys(made: Shot, models: frozenset[str] | None = None) -> list[str]:
    return ["/".join(each.key for each in cell) for cell in Matrix(made, {"tier": "A"}).cells(models)]


def test_a_shot_without_axes_has_one_cell() -> None:
    assert list(Matrix(shot(), {}).cells()) == [()]
    assert Matrix(shot(), {}).count() == 1


def test_the_first_axis_turns_slowest() -> None:
    assert keys(shot("s", axis("a", "1", "2"), axis("b", "x", "y"))) == ["1/x", "1/y", "2/x", "2/y"]


def test_an_axis_without_values_has_no_cell() -> None:
    made = shot("s", axis("a", "1", "2"), axis("b"))
    assert keys(made) == []
    assert Matrix(made, {}).count() == 0


def test_zipped_axes_walk_together_and_cells_keep_the_order_of_the_axes() -> None:
    made = shot("s", axis("a", "1", "2"), axis("b", "x", "y"), axis("c", "p", "q"), zipped=[("a", "c")])
    assert keys(made) == ["1/x/p", "1/y/p", "2/x/q", "2/y/q"]
    assert Matrix(made, {}).count() == 4


def test_two_zipped_groups_are_crossed_with_each_other() -> None:
    made = shot(
        "s",
        axis("a", "1", "2"),
        axis("b", "x", "y"),
        axis("c", "p", "q"),
        axis("d", "u", "v"),
        zipped=[("d", "a"), ("b", "c")],
    )
    assert keys(made) == ["1/x/p/u", "1/y/q/u", "2/x/p/v", "2/y/q/v"]


def test_where_sees_keys_texts_raw_values_and_fields() -> None:
    scenes = axis("scene", value("m", text="white marble", mood="warm"), value("l", text="linen", mood="cold"))
    sizes = axis("size", value("1", raw=1), value("2", raw=2))
    assert keys(shot("s", scenes, sizes, where="scene.mood == 'warm' and size > 1")) == ["m/2"]
    assert keys(shot("s", scenes, sizes, where="scene == 'l'")) == ["l/1", "l/2"]
    assert keys(shot("s", scenes, sizes, where="scene == 'white marble' and size == 2")) == ["m/2"]
    assert keys(shot("s", scenes, sizes, where="text.tier == 'A'")) == ["m/1", "m/2", "l/1", "l/2"]
    assert keys(shot("s", scenes, sizes, where="text.tier == 'B'")) == []


def test_where_over_zipped_axes_that_are_not_neighbours() -> None:
    made = shot(
        "s",
        axis("a", "1", "2"),
        axis("b", "x", "y"),
        axis("c", "p", "q"),
        zipped=[("a", "c")],
        where="c == 'q' and b == 'x'",
    )
    assert keys(made) == ["2/x/q"]


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ([{"a": "1"}], ["2/x", "2/y"]),
        ([{"a": "1", "b": "x"}], ["1/y", "2/x", "2/y"]),
        ([{"b": ["x", "y"]}], []),
        ([{"a": ["1", "9"], "b": "y"}], ["1/x", "2/x", "2/y"]),
        ([{"a": 1}], ["2/x", "2/y"]),
        ([{"a": "1"}, {"b": "y"}], ["2/x"]),
        ([{}], []),
        ([{"a.mood": "warm"}], ["2/x", "2/y"]),
        ([{"a.mood": ["warm", "cold"], "b": "x"}], ["1/y", "2/y"]),
        ([{"a.mood": "warm", "a": "2"}], ["1/x", "1/y", "2/x", "2/y"]),
        ([{"a.price": 7}], ["1/x", "1/y"]),
        ([{"a.price": "7"}], ["1/x", "1/y"]),
        ([{"a.none": "7"}], ["1/x", "1/y", "2/x", "2/y"]),
        ([{"a.key": "2"}], ["1/x", "1/y"]),
        ([{"a": True}], ["1/x", "1/y", "2/x", "2/y"]),
    ],
)
def test_a_partial_match_excludes(exclude: list[dict[str, Json]], left: list[str]) -> None:
    first = axis("a", value("1", raw=1, mood="warm", price=5), value("2", raw=2, mood="cold", price=7))
    made = shot("s", first, axis("b", "x", "y"), exclude=exclude)
    assert keys(made) == left
    assert Matrix(made, {}).count() == len(left)


def test_true_excludes_true_and_not_one() -> None:
    made = shot("s", axis("a", value("1", raw=1), value("true", raw=True)), exclude=[{"a": True}])
    assert keys(made) == ["1"]


def test_included_cells_come_last_and_bring_new_values() -> None:
    made = shot("s", axis("a", "1", "2"), axis("b", "x"), include=[(value("3"), value("x")), (value("1"), value("y"))])
    assert keys(made) == ["1/x", "2/x", "3/x", "1/y"]
    assert Matrix(made, {}).count() == 4


def test_an_included_cell_that_is_there_already_is_not_there_twice() -> None:
    made = shot("s", axis("a", "1", "2"), include=[(value("2"),), (value("3"),), (value("3"),)])
    assert keys(made) == ["1", "2", "3"]
    assert Matrix(made, {}).count() == 3


def test_include_brings_back_what_where_and_exclude_took() -> None:
    made = shot(
        "s", axis("a", "1", "2", "3"), where="a != '1'", exclude=[{"a": "2"}], include=[(value("1"),), (value("2"),)]
    )
    assert keys(made) == ["3", "1", "2"]


def test_an_included_cell_off_the_zip_is_new() -> None:
    made = shot("s", axis("a", "1", "2"), axis("b", "x", "y"), zipped=[("a", "b")], include=[(value("1"), value("y"))])
    assert keys(made) == ["1/x", "2/y", "1/y"]


def test_only_the_given_models_are_walked() -> None:
    made = shot("s", axis("a", "1", "2"), axis("model", "main", "rival"), include=[(value("3"), value("rival"))])
    assert keys(made, frozenset({"rival"})) == ["1/rival", "2/rival", "3/rival"]
    assert keys(made, frozenset({"main"})) == ["1/main", "2/main"]
    assert Matrix(made, {}).count(frozenset({"rival"})) == 3
    zipped = shot("s", axis("a", "1", "2"), axis("model", "main", "rival"), zipped=[("a", "model")])
    assert keys(zipped, frozenset({"rival"})) == ["2/rival"]


def test_a_row_that_where_cannot_be_told_for_is_kept_with_its_problem() -> None:
    rows = axis("product", value("1", tier="A"), value("2"), value("3", tier="B"), kind="source")
    cells = list(Matrix(shot("s", rows, axis("b", "x", "y"), where="product.tier == 'A'"), {}).cells())
    assert [(cell[0].key, cell[1].key, bool(cell[0].problem)) for cell in cells] == [
        ("1", "x", False),
        ("1", "y", False),
        ("2", "x", True),
        ("2", "y", True),
    ]
    assert "where" in cells[2][0].problem


def test_where_that_fails_on_the_manifests_own_values_is_the_manifests_fault() -> None:
    with pytest.raises(UserError, match=r"shots\.s\.where"):
        list(Matrix(shot("s", axis("a", value("x", mood=1), value("y")), where="a.mood > 0"), {}).cells())


def test_a_huge_matrix_is_counted_and_begun_at_once() -> None:
    many = tuple(str(number) for number in range(10_000))
    made = shot(
        "s", axis("a", *many), axis("b", *many), axis("c", *many), where="a == '7'", exclude=[{"a": "7", "b": "1"}]
    )
    matrix = Matrix(made, {})
    assert matrix.count() == (10_000 - 1) * 10_000
    assert len(list(islice(matrix.cells(), 5))) == 5


@st.composite
def shots(draw: st.DrawFn) -> Shot:
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    axes = [axis(f"a{at}", *[f"{number}" for number in range(size)]) for at, size in enumerate(sizes)]
    zipped = []
    if len(axes) >= 3 and sizes[0] == sizes[2] and draw(st.booleans()):
        zipped = [("a0", "a2")]
    names = st.integers(0, len(axes) - 1).map(lambda at: f"a{at}")
    wanted: st.SearchStrategy[Json] = st.one_of(st.sampled_from("012"), st.lists(st.sampled_from("012"), max_size=2))
    exclude: list[dict[str, Json]] = draw(st.lists(st.dictionaries(names, wanted, max_size=3), max_size=2))
    where = draw(st.sampled_from([None, "a0 != '1'", "a0 == '0' or a0 == '2'"]))
    cell = st.tuples(*(st.sampled_from("0123").map(value) for _ in axes))
    include: list[tuple[AxisValue, ...]] = draw(st.lists(cell, max_size=3))
    return shot("s", *axes, zipped=zipped, exclude=exclude, where=where, include=include)


def plainly(made: Shot) -> list[tuple[str, ...]]:
    """The same by the book: everything as a list."""

    def fits(cell: tuple[str, ...]) -> bool:
        if made.zip and cell[0] != cell[2]:
            return False
        if made.where is not None and not (cell[0] != "1" if "!=" in made.where.source else cell[0] in {"0", "2"}):
            return False
        for exclude in made.exclude:
            wanted = {int(name[1:]): one if isinstance(one, list) else [one] for name, one in exclude.items()}
            if all(cell[at] in any_of for at, any_of in wanted.items()):
                return False
        return True

    cells = [cell for cell in product(*([each.key for each in axis.values] for axis in made.axes)) if fits(cell)]
    for include in made.include:
        cell = tuple(each.key for each in include)
        if cell not in cells:
            cells.append(cell)
    return cells


@settings(max_examples=150, deadline=None)
@given(shots())
def test_lazy_cells_are_those_of_the_plain_definition(made: Shot) -> None:
    found = [tuple(each.key for each in cell) for cell in Matrix(made, {}).cells()]
    assert sorted(found) == sorted(plainly(made))
    if not made.zip:
        assert found == plainly(made)
    assert len(set(found)) == len(found)
    assert Matrix(made, {}).count() == len(found)
