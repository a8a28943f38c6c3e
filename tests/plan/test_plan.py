"""From a manifest to steps: names, parameters, inputs, paths, and whose fault it is when something is not there."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json, digest_of
from pipeline.domain.errors import ManifestError
from pipeline.domain.step import Accept, Step
from pipeline.manifest.model import Manifest, Shot
from pipeline.plan import Plan, make_plan, sources
from tests.plan.making import Pictures, PriceList, axis, edit, manifest, model, row, shot, value

FILES = {f"/jobs/{name}": name.encode() for name in ("a.png", "b.png", "m.png", "photos/1.jpg", "photos/2.jpg")}


def plan(*shots: Shot, of: Manifest | None = None, files: dict[str, bytes] | None = None) -> Plan:
    return make_plan(of or manifest(*shots), Pictures({**FILES, **(files or {})}), PriceList())


def steps(*shots: Shot, of: Manifest | None = None, files: dict[str, bytes] | None = None) -> dict[str, Step]:
    cells = plan(*shots, of=of, files=files).cells_in_order()
    return {step.asset: step for cell in cells for chain in cell.chains for step in chain}


def refused(*shots: Shot) -> str:
    with pytest.raises(ManifestError) as raised:
        plan(*shots)
    return str(raised.value)


def test_names_are_made_of_shot_keys_candidate_and_step() -> None:
    made = shot("hero", axis("a", "x y", "z"), axis("b", "1/2"), n=2, chain=[edit("ribbon"), edit("night")])
    assert list(steps(made))[:6] == [
        "hero/x-y/1-2",
        "hero/x-y/1-2/ribbon",
        "hero/x-y/1-2/night",
        "hero/x-y/1-2#2",
        "hero/x-y/1-2#2/ribbon",
        "hero/x-y/1-2#2/night",
    ]


def test_a_step_says_all_that_is_known_of_it() -> None:
    made = shot("hero", axis("a", "x y"), n=2, per_request=2, chain=[edit("ribbon"), edit("night")])
    found = steps(made)
    base, ribbon, night = found["hero/x-y#2"], found["hero/x-y#2/ribbon"], found["hero/x-y#2/night"]
    assert (base.axes, base.depth, base.candidate, base.remaining, base.per_request) == ((("a", "x y"),), 0, 2, 2, 2)
    assert (base.parent, ribbon.parent, night.parent) == (None, base.asset, ribbon.asset)
    assert (night.step_id, night.depth, night.remaining, night.per_request) == ("night", 2, 0, 1)
    assert (base.provider, base.model_alias, base.model) == ("fast", "main", "model-main")


def test_cells_come_longest_chain_first_for_the_scheduler_and_in_order_for_people() -> None:
    made = plan(
        shot("short"), shot("long", chain=[edit("a"), edit("b")]), shot("middle", chain=[edit("a")]), shot("last")
    )
    assert [cell.shot for cell in made.cells()] == ["long", "middle", "short", "last"]
    assert [cell.shot for cell in made.cells_in_order()] == ["short", "long", "middle", "last"]
    assert made.totals() == (("short", 1), ("long", 3), ("middle", 2), ("last", 1))


def test_cells_of_one_provider_are_those_whose_base_picture_it_makes() -> None:
    of = manifest(
        shot("s", axis("model", "main", "rival"), axis("a", "1")),
        shot("t", model="rival", chain=[edit("e", model="main")]),
        models=[model("main"), model("rival", "slow")],
    )
    made = plan(of=of)
    assert [cell.asset(1, 0) for cell in made.cells("fast")] == ["s/main/1"]
    assert [cell.asset(1, 0) for cell in made.cells("slow")] == ["t", "s/rival/1"]
    assert list(made.cells("nobody")) == []
    assert made.lanes == ("fast", "slow")
    assert [step.provider for step in next(plan(of=of).cells("slow")).chains[0]] == ["slow", "fast"]


@pytest.mark.parametrize(
    ("layers", "merged"),
    [
        (({"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {"a": 5}), ({"a": 5}, {"a": 5})),
        (({"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}, {}), ({"a": 3}, {"a": 4})),
        (({"a": 1}, {"a": 2}, {}, {}, {}), ({"a": 2}, {"a": 2})),
        (({"a": 1, "b": 1}, {"c": 1}, {"b": None}, {}, {}), ({"a": 1, "c": 1}, {"a": 1, "c": 1})),
        (({"a": 1}, {}, {"a": None}, {"a": 2}, {}), ({}, {"a": 2})),
        (({"a": 1}, {}, {}, {"a": None}, {}), ({"a": 1}, {})),
        (({"a": 1}, {}, {}, {"a": 2}, {"a": None}), ({}, {})),
        (({"a": {"x": 1}}, {}, {"a": {"y": 2}}, {}, {}), ({"a": {"y": 2}}, {"a": {"y": 2}})),
        (({"a": False}, {}, {"b": 0}, {"c": ""}, {}), ({"a": False, "b": 0}, {"a": False, "b": 0, "c": ""})),
    ],
)
def test_parameters_merge_key_by_key(
    layers: tuple[dict[str, Json], ...], merged: tuple[dict[str, Json], dict[str, Json]]
) -> None:
    defaults, models, shots, step, sets = layers
    made = shot("s", default_params=defaults, params=shots, set_params=sets, chain=[edit("e", params=step)])
    found = steps(of=manifest(made, models=[model("main", params=models)]))
    assert (found["s"].params, found["s/e"].params) == merged


def test_a_model_axis_brings_its_models_own_parameters() -> None:
    made = shot("s", axis("model", "main", "rival"), default_params={"quality": "low"}, params={"style": "x"})
    of = manifest(made, models=[model("main"), model("rival", params={"quality": "high"})])
    found = steps(of=of)
    assert found["s/main"].params == {"quality": "low", "style": "x"}
    assert found["s/rival"].params == {"quality": "high", "style": "x"}
    assert found["s/rival"].model == "model-rival"


def test_an_edit_inherits_model_and_parameters_but_neither_images_nor_mask() -> None:
    made = shot(
        "s",
        images=["a.png"],
        mask="m.png",
        params={"q": 1},
        chain=[edit("e"), edit("f", images=["b.png"], mask="m.png")],
    )
    found = steps(made)
    assert [(ref.role, ref.source) for ref in found["s"].inputs] == [("image", "/jobs/a.png"), ("mask", "/jobs/m.png")]
    assert [(ref.role, ref.source) for ref in found["s/e"].inputs] == [("image", "")]
    assert [(ref.role, ref.source) for ref in found["s/f"].inputs] == [
        ("image", ""),
        ("image", "/jobs/b.png"),
        ("mask", "/jobs/m.png"),
    ]
    assert found["s/e"].params == {"q": 1}
    assert found["s/e"].inputs[0].digest is None
    assert found["s"].inputs[0].digest == digest_of(b"a.png")


def test_accept_is_each_steps_own() -> None:
    found = steps(shot("s", chain=[edit("e", accept=Accept(size="exact"))]))
    assert (found["s"].accept, found["s/e"].accept) == (Accept(), Accept(size="exact"))


def test_relative_sources_are_the_manifests_and_urls_stay() -> None:
    url = "HTTPS://shop.example/p.jpg?w=1"
    made = shot("s", images=["./photos/../a.png", "/jobs/b.png", url])
    found = steps(made, files={url: b"u"})["s"]
    assert [ref.source for ref in found.inputs] == ["/jobs/a.png", "/jobs/b.png", url]


def test_each_input_is_looked_at_once() -> None:
    pictures = Pictures(FILES)
    made = make_plan(manifest(shot("s", axis("a", *"123"), images=["a.png"], n=2)), pictures, PriceList())
    assert len([step for cell in made.cells() for chain in cell.chains for step in chain]) == 6
    assert pictures.looks == ["/jobs/a.png"]


def products(*rows: tuple[str, dict[str, Json]]) -> Shot:
    values = [row(key, fields) for key, fields in rows]
    return shot("s", axis("product", *values, kind="source"), images=["{{ product.photo }}"], chain=[edit("e")])


def test_a_feeds_field_may_hold_several_files() -> None:
    made = products(
        ("1", {"photo": "a.png|photos/1.jpg"}), ("2", {"photo": " a.png | "}), ("3", {"photo": ["a.png", "b.png"]})
    )
    found = steps(made)
    assert [ref.source for ref in found["s/1"].inputs] == ["/jobs/a.png", "/jobs/photos/1.jpg"]
    assert [ref.source for ref in found["s/2"].inputs] == ["/jobs/a.png"]
    assert [ref.source for ref in found["s/3"].inputs] == ["/jobs/a.png", "/jobs/b.png"]


def test_a_bar_elsewhere_is_part_of_the_name() -> None:
    rows = axis("product", value("1", photo="a.png"), kind="source")
    found = steps(
        shot("s", rows, images=["{{ product.photo }}|x"]),
        shot("t", images=["a|b.png"]),
        files={"/jobs/a|b.png": b"bar"},
    )
    assert "a.png|x" in found["s/1"].problem
    assert [ref.source for ref in found["t"].inputs] == ["/jobs/a|b.png"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"photo": "gone.jpg"}, "input: /jobs/gone.jpg: no such file"),
        ({"photo": ""}, "is empty here"),
        ({"photo": " | "}, "is empty here"),
        ({"photo": []}, "is empty here"),
        ({}, "photo"),
        ({"photo": "|".join(["a.png"] * 17)}, "17 pictures"),
    ],
)
def test_a_rows_broken_photo_is_the_problem_of_that_rows_assets_alone(fields: dict[str, Json], says: str) -> None:
    found = steps(products(("1", {"photo": "a.png"}), ("2", fields)))
    assert says in found["s/2"].problem
    assert found["s/2"].problem.startswith("input: ")
    assert found["s/2/e"].problem == found["s/2"].problem
    assert not found["s/1"].problem
    assert not found["s/1/e"].problem


def test_a_broken_row_is_a_problem_of_its_cells_alone() -> None:
    rows = axis("product", value("1"), value("2", problem="ragged: 3 fields, 5 expected"), kind="source")
    found = steps(shot("s", rows, axis("b", "x", "y"), prompt="{{ product.key }}", chain=[edit("e")]))
    assert {name for name, step in found.items() if step.problem} == {"s/2/x", "s/2/x/e", "s/2/y", "s/2/y/e"}
    assert found["s/2/x/e"].problem == "input: ragged: 3 fields, 5 expected"


def test_an_edit_that_cannot_be_asked_leaves_its_parent_alone() -> None:
    found = steps(shot("s", chain=[edit("e", images=["gone.png"]), edit("f")]))
    assert not found["s"].problem
    assert found["s/e"].problem
    assert found["s/f"].problem == found["s/e"].problem


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("{{ a.title }}", "input: prompt: "),
        ("{{ a.blank }}", "empty"),
        ("{{ a.blank }} \n", "empty"),
        ("{% if a.key == 'y' %}words{% endif %}", "empty"),
        ("{{ a.key }}{{ a.long }}", "32,000"),
        ("{{ a.long | upper }}!", "32,000"),
    ],
)
def test_a_prompt_that_is_none_fails_its_asset(prompt: str, says: str) -> None:
    long = "x" * 32_000
    rows = axis("a", value("x", blank="", long=long), value("y", title="t", blank="b", long=""), kind="source")
    found = steps(shot("s", rows, prompt=prompt))
    assert says in found["s/x"].problem
    assert not found["s/y"].problem


def test_a_prompt_of_exactly_32000_characters_is_asked() -> None:
    assert not steps(shot("s", prompt="x" * 32_000))["s"].problem


def test_a_mask_that_renders_empty_is_none() -> None:
    rows = axis("p", value("1", mask=""), value("2", mask="m.png"), kind="source")
    found = steps(shot("s", rows, images=["a.png"], mask="{{ p.mask }}"))
    assert [ref.role for ref in found["s/1"].inputs] == ["image"]
    assert [ref.role for ref in found["s/2"].inputs] == ["image", "mask"]


def test_an_edit_takes_fifteen_pictures_beside_its_parent() -> None:
    found = steps(
        shot("s", chain=[edit("e", images=["a.png"] * 15)]), shot("t", chain=[edit("e", images=["a.png"] * 16)])
    )
    assert len(found["s/e"].inputs) == 16
    assert "17 pictures" in found["t/e"].problem


def test_sources_are_named_once_before_anything_is_read() -> None:
    rows = axis(
        "p",
        value("1", photo="a.png|https://x.example/1.jpg"),
        value("2", photo="https://x.example/1.jpg"),
        value("3", photo="of-a-broken-row.png", problem="broken"),
        value("4"),
        kind="source",
    )
    made = shot(
        "s", rows, axis("b", *"xyz"), images=["{{ p.photo }}"], mask="m.png", chain=[edit("e", images=["b.png"])]
    )
    assert list(sources(manifest(made, shot("t")))) == [
        "/jobs/a.png",
        "https://x.example/1.jpg",
        "/jobs/m.png",
        "/jobs/b.png",
    ]


# paths


def paths(*shots: Shot) -> list[str]:
    return [step.path for step in steps(*shots).values()]


def test_a_default_path_is_the_name_with_the_candidate_spelled_out() -> None:
    assert paths(shot("s", axis("a", "x y"), n=2, chain=[edit("r")])) == ["s/x-y", "s/x-y/r", "s/x-y-2", "s/x-y-2/r"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{ a.key }}", ["x", "x/r", "x-2", "x-2/r"]),
        ("{{ a.key }}/{{ a.mood }}", ["x/w", "x/w/r", "x/w-2", "x/w-2/r"]),
        ("{{ step or 'base' }}/{{ a.key }}", ["base/x", "r/x", "base/x-2", "r/x-2"]),
        ("{{ a.key }}/v{{ candidate }}", ["x/v1", "x/v1/r", "x/v2", "x/v2/r"]),
        ("{{ a.key }}-{{ candidate }}{{ step }}", ["x-1", "x-1r", "x-2", "x-2r"]),
        ("{{ a.key }}/{{ step }}/", ["x", "x/r", "x-2", "x/r-2"]),
        ("./{{ a.key }}//b/./c", ["x/b/c", "x/b/c/r", "x/b/c-2", "x/b/c-2/r"]),
        (
            "con/{{ a.key }}/aux.txt",
            ["_con/x/_aux.txt", "_con/x/_aux.txt/r", "_con/x/_aux.txt-2", "_con/x/_aux.txt-2/r"],
        ),
        ("{{ a.key }}/COM1", ["x/_COM1", "x/_COM1/r", "x/_COM1-2", "x/_COM1-2/r"]),
        ("{{ a.key }}.png", ["x", "x/r", "x-2", "x-2/r"]),
        ("{{ a.key }}.v1.JPG", ["x.v1", "x.v1/r", "x.v1-2", "x.v1-2/r"]),
        (
            'My Folder/{{ a.key }}: "1"',
            ["My Folder/x- -1-", "My Folder/x- -1-/r", "My Folder/x- -1--2", "My Folder/x- -1--2/r"],
        ),
    ],
)
def test_a_path_template_gets_step_and_candidate_appended_unless_it_says_them(
    template: str, expected: list[str]
) -> None:
    assert paths(shot("s", axis("a", value("x", mood="w")), n=2, chain=[edit("r")], path=template)) == expected


def test_keys_are_slugged_in_paths_too() -> None:
    rows = axis("p", value("SKU 1/2", sku="SKU 1/2", shelf="a/b"), kind="source")
    made = shot("s", rows, axis("c", "dark red"), path="{{ p.sku }}/{{ p.shelf }}/{{ p }}-{{ c }}")
    assert paths(made) == ["SKU-1-2/a/b/SKU-1-2-dark-red"]


@pytest.mark.parametrize(
    "template",
    ["../{{ a }}", "{{ a }}/../../x", "/etc/{{ a }}", "\\\\host\\{{ a }}", "{{ a.up }}", "..", "{{ a }}/ .. /x"],
)
def test_a_path_that_leaves_the_folder_is_an_error(template: str) -> None:
    said = refused(shot("s", axis("a", value("x", up="a/../../b"), kind="source"), path=template))
    assert "jobs/test.yaml:7:1: s/x: the path" in said
    assert "leaves the output folder" in said


@pytest.mark.parametrize("template", ["{{ a.none }}", ". / ", "{{ a.none }}/."])
def test_a_path_of_nothing_is_an_error(template: str) -> None:
    assert "the path is empty" in refused(shot("s", axis("a", value("x", none="")), path=template))


def test_a_folder_that_is_empty_for_a_row_is_left_out() -> None:
    rows = axis("p", value("1", shelf="a"), value("2", shelf=""), value("3", shelf="/etc"), kind="source")
    assert paths(shot("s", rows, path="{{ p.shelf }}/{{ p }}")) == ["a/1", "2", "etc/3"]


def test_a_row_whose_path_cannot_be_rendered_fails_alone() -> None:
    rows = axis("p", value("1", shelf="a"), value("2"), kind="source")
    found = steps(shot("s", rows, path="{{ p.shelf }}/{{ p }}", chain=[edit("e")]))
    assert "path" in found["s/2"].problem
    assert found["s/2/e"].problem
    assert found["s/2"].path == "s/2"
    assert not found["s/1"].problem


@pytest.mark.parametrize(
    "made",
    [
        shot("index"),
        shot("thumbs"),
        shot("Thumbs", axis("a", "x")),
        shot("contact-sheet"),
        shot("s", path="index"),
        shot("s", path="INDEX.v2"),
        shot("s", path="index.html/x"),
        shot("s", path="Thumbs/x"),
        shot("s", path="contact-sheet.png"),
        shot("s", chain=[edit("e")], path="thumbs"),
    ],
)
def test_reserved_names_are_errors(made: Shot) -> None:
    assert "reserved" in refused(made)


def test_reserved_names_are_only_reserved_at_the_top() -> None:
    assert paths(shot("s", axis("a", "index", "thumbs")), shot("index-x"), shot("index", axis("a", "x"))) == [
        "s/index",
        "s/thumbs",
        "index-x",
        "index/x",
    ]


COLLIDING = [
    pytest.param([shot("s", axis("a", "x", "y"), path="same")], ["s/x", "s/y"], id="a template without its axis"),
    pytest.param([shot("s", path="p/q"), shot("t", path="P/q")], ["s", "t"], id="case"),
    pytest.param([shot("s", path="caf\u00e9"), shot("t", path="cafe\u0301")], ["s", "t"], id="composition"),
    pytest.param([shot("s", path="t"), shot("t")], ["s", "t"], id="a template and a default name"),
    pytest.param([shot("s", axis("a", "x", "x-2"), n=2)], ["s/x#2", "s/x-2"], id="candidate and key"),
    pytest.param([shot("s", n=2), shot("s-2")], ["s#2", "s-2"], id="candidate and shot"),
    pytest.param(
        [shot("s", n=2, chain=[edit("r")]), shot("s-2", axis("a", "r"))], ["s#2/r", "s-2/r"], id="candidate's edit"
    ),
    pytest.param([shot("Hero", axis("a", "x")), shot("hero", axis("a", "x"))], ["Hero/x", "hero/x"], id="shots' case"),
    pytest.param([shot("s", axis("a", "x y", "x-y"))], ["s/x-y"], id="slugs"),
    pytest.param([shot("s", axis("a", "Red", "red"))], ["s/Red", "s/red"], id="keys' case"),
    pytest.param([shot("s", axis("a", "x"), include=[(value("X"),)])], ["s/x", "s/X"], id="an included key"),
    pytest.param(
        [shot("s", chain=[edit("r")], path="a"), shot("t", path="a/r")], ["s/r", "t"], id="an edit and a base picture"
    ),
    pytest.param([shot("s", path="a.PNG/b"), shot("t", path="a")], ["s", "t"], id="a file and a folder"),
    pytest.param(
        [shot("s", axis("a", "x", "x.png"), chain=[edit("r")])], ["s/x", "s/x.png/r"], id="a file and an edit's folder"
    ),
    pytest.param([shot("s", path="a.png"), shot("t", path="a.jpg")], ["s", "t"], id="endings"),
]


@pytest.mark.parametrize(("shots", "named"), COLLIDING)
def test_two_assets_with_one_path_are_an_error_that_names_both(shots: Sequence[Shot], named: Sequence[str]) -> None:
    said = refused(*shots)
    assert all(name in said for name in named)
    assert said.startswith("jobs/test.yaml:7:1: ")


def test_what_only_looks_like_a_collision_is_none() -> None:
    shots = [
        shot("a", chain=[edit("b")]),
        shot("a.b", axis("x", "b")),
        shot("s", axis("x", "1", "1-2"), axis("y", "1", "2"), n=2),
        shot("t", axis("x", "m", "m-2"), n=2, exclude=[{"x": "m-2"}]),
        shot("u", axis("x", "q"), include=[(value("q"),), (value("r"),)]),
    ]
    made = paths(*shots)
    assert len(set(made)) == len(made)


def test_broken_rows_collide_with_nobody() -> None:
    rows = axis("p", value("1", name="n"), value("2", name="n", problem="broken"), kind="source")
    assert paths(shot("s", rows, path="{{ p.name }}"))[0] == "n"


def test_many_collisions_are_counted_not_listed() -> None:
    said = refused(shot("s", axis("a", *(str(number) for number in range(500))), path="same")).splitlines()
    assert len(said) == 21
    assert said[-1] == "jobs/test.yaml: and 479 more like these"


NAMES = st.sampled_from(["a", "A", "a-2", "b", "a.png", "é", "e\u0301"])


@settings(max_examples=120, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["s", "S", "s-2", "t"]), st.lists(NAMES, max_size=3, unique=True), st.integers(1, 3)),
        min_size=1,
        max_size=3,
        unique_by=lambda one: one[0],
    ),
    st.booleans(),
)
def test_default_names_collide_exactly_when_two_paths_are_one(
    made: list[tuple[str, list[str], int]], edits: bool
) -> None:
    shots = [
        shot(name, *([axis("x", *keys)] if keys else []), n=n, chain=[edit("a")] if edits else [])
        for name, keys, n in made
    ]
    walked = [shot(each.name, *each.axes, n=each.n, chain=each.chain) for each in shots]
    always = shot("zz", path="zz/zz")
    try:
        quick = bool(make_plan(manifest(*shots), Pictures(), PriceList()))
    except ManifestError:
        quick = False
    try:
        full = bool(make_plan(manifest(*walked, always), Pictures(), PriceList()))
    except ManifestError:
        full = False
    assert quick == full


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_no_field_brings_a_path_out_of_the_folder(text: str) -> None:
    made = manifest(shot("s", axis("p", value("k", name=text), kind="source"), path="x/{{ p.name }}"))
    try:
        cell = next(make_plan(made, Pictures(), PriceList()).cells())
    except ManifestError:
        return
    path = cell.path(1, 0)
    assert not path.startswith("/")
    assert all(part not in {"", ".", ".."} and not part.startswith(".") for part in path.split("/"))
    assert not set("\\\x00\n:*?") & set(path)
    assert all(len(part.encode()) <= 210 for part in path.split("/"))
