"""What the next run asks, what it holds, and the words for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.digest import Json
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Space, State
from pipeline.domain.step import AssetName, StepKey, step_key
from pipeline.manifest.model import Shot
from pipeline.plan import Difference, Plan, Resolved, differences, make_plan, resolve
from pipeline.plan.why import changed_words
from tests.plan.making import Book, Pictures, PriceList, axis, edit, image, manifest, model, paid, shot, value


def plan(*shots: Shot, **photos: bytes) -> Plan:
    models = [model("main"), model("rival", "slow"), model("unpriced"), model("free", "sketch")]
    files = {f"/jobs/{name}.png": data for name, data in photos.items()}
    return make_plan(manifest(*shots, models=models, free=["sketch"]), Pictures(files), PriceList())


def by_name(
    made: Plan,
    book: Book,
    *,
    again: Sequence[str] = (),
    retry_refused: bool = False,
    only: Sequence[str] = (),
    limit: int | None = None,
    space_of: Callable[[str], Space] = paid,
) -> dict[str, Resolved]:
    found = resolve(
        made.cells(), book.lookup, space_of=space_of, again=again, retry_refused=retry_refused, only=only, limit=limit
    )
    return {entry.asset: entry for entry in found}


CHAIN = shot("s", chain=[edit("e"), edit("f")])


def base_key(made: Plan) -> StepKey:
    return step_key(next(made.cells()).chains[0][0].parts())


def test_an_empty_ledger_makes_everything_new() -> None:
    found = by_name(plan(CHAIN), Book())
    assert [(entry.state, entry.why, entry.asks, entry.final) for entry in found.values()] == [
        (State.PLANNED, "new", True, True),
        (State.PLANNED, "new", True, False),
        (State.PLANNED, "new", True, False),
    ]
    assert found["s"].key == base_key(plan(CHAIN))


def test_a_step_without_its_parents_picture_is_named_by_its_plan_key() -> None:
    one, two = by_name(plan(CHAIN), Book()), by_name(plan(CHAIN), Book())
    assert one["s/f"].key == two["s/f"].key
    assert len({entry.key for entry in one.values()}) == 3
    with pytest.raises(ValueError, match="no key yet"):
        one["s/e"].ready()


def chain_in_book(made: Plan, depth: int) -> Book:
    """A ledger in which the first *depth* steps of the first chain are done."""
    book, parent = Book(), None
    for step in next(made.cells()).chains[0][:depth]:
        key = step_key(step.parts(parent))
        book.put(key, State.DONE, picture=image(f"picture of {step.asset}"))
        parent = image(f"picture of {step.asset}").digest
    return book


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_chain_is_followed_as_far_as_its_pictures_are_there(depth: int) -> None:
    found = list(by_name(plan(CHAIN), chain_in_book(plan(CHAIN), depth)).values())
    assert [entry.why for entry in found] == ["cached"] * depth + ["new"] * (3 - depth)
    assert [entry.final for entry in found] == [at <= depth for at in range(3)]
    assert [entry.quote is None for entry in found] == [at < depth for at in range(3)]


def test_another_picture_of_the_parent_makes_another_child() -> None:
    made = plan(CHAIN)
    book = chain_in_book(made, 3)
    book.put(base_key(made), State.DONE, picture=image("another"))
    found = by_name(made, book)
    assert [entry.why for entry in found.values()] == ["cached", "new", "new"]


ASKED = (State.PLANNED, True)
TABLE = [
    # state in the ledger, reason, has a picture, again, retry refused -> (state, asks), what follows it, word of why
    (None, "", False, False, False, ASKED, "planned", "new"),
    (State.DONE, "", True, False, False, (State.DONE, False), "planned", "cached"),
    (State.DONE, "", True, True, False, ASKED, "planned", "again"),
    (State.DONE, "", False, False, False, ASKED, "planned", "lost"),
    (State.PLANNED, "", False, False, False, ASKED, "planned", "not asked yet"),
    (State.SKIPPED, "", False, False, False, ASKED, "planned", "not asked yet"),
    (State.WAITING, "", False, False, False, ASKED, "planned", "not asked yet"),
    (State.FAILED, "exhausted", False, False, False, ASKED, "planned", "failed before: exhausted"),
    (State.FAILED, "rejected", False, False, False, ASKED, "planned", "failed before: rejected"),
    (State.FAILED, "", False, False, False, ASKED, "planned", "failed before"),
    (State.FAILED, "opaque", True, False, False, (State.FAILED, False), "skipped", "held: came back opaque"),
    (State.FAILED, "mismatch", True, False, False, (State.FAILED, False), "skipped", "held"),
    (State.FAILED, "lost", False, False, False, (State.FAILED, False), "skipped", "held: billed but lost"),
    (State.FAILED, "opaque", True, True, False, ASKED, "planned", "again"),
    (State.FAILED, "lost", False, True, False, ASKED, "planned", "again"),
    (State.REFUSED, "", False, False, False, (State.REFUSED, False), "skipped", "held: refused"),
    (State.REFUSED, "", False, True, False, (State.REFUSED, False), "skipped", "held: refused"),
    (State.REFUSED, "", False, False, True, ASKED, "planned", "refused before"),
    (State.UNKNOWN, "", False, False, False, (State.UNKNOWN, False), "skipped", "held: outcome unknown, see reconcile"),
    (State.UNKNOWN, "", False, True, True, (State.UNKNOWN, False), "skipped", "held: outcome unknown"),
]


@pytest.mark.parametrize(("state", "reason", "picture", "again", "retry", "verdict", "child", "why"), TABLE)
def test_the_next_run_asks_what_the_rules_say(
    *,
    state: State | None,
    reason: str,
    picture: bool,
    again: bool,
    retry: bool,
    verdict: tuple[State, bool],
    child: str,
    why: str,
) -> None:
    made, book = plan(CHAIN), Book()
    if state is not None:
        book.put(base_key(made), state, reason=reason, picture=image("kept") if picture else None)
    found = by_name(made, book, again=["s"] if again else [], retry_refused=retry)
    assert (found["s"].state, found["s"].asks) == verdict
    assert why in found["s"].why
    assert found["s/e"].state == child
    assert found["s/f"].state == child
    if child == "skipped":
        assert found["s/e"].why == f"its parent s is {state}"
        assert found["s/e"].reason == "parent"
        assert not found["s/e"].asks


def test_a_held_edit_keeps_its_parent_and_holds_what_follows() -> None:
    made = plan(CHAIN)
    book = chain_in_book(made, 1)
    _, edited, _ = next(made.cells()).chains[0]
    book.put(step_key(edited.parts(image("picture of s").digest)), State.UNKNOWN)
    assert [entry.state for entry in by_name(made, book).values()] == [State.DONE, State.UNKNOWN, State.SKIPPED]


def test_again_takes_patterns_and_what_follows_is_planned_anew() -> None:
    made = plan(CHAIN, shot("t", prompt="Other."))
    found = by_name(made, chain_in_book(made, 3), again=["s/e"])
    assert [(entry.why, entry.asks) for entry in found.values()][:3] == [
        ("cached", False),
        ("asked again as told", True),
        ("parent changed", True),
    ]
    assert found["s/e"].verdict.renew
    assert not by_name(made, chain_in_book(made, 3), again=["s*", "t"])["t"].verdict.renew


def test_an_input_that_cannot_be_read_is_failed_and_never_looked_up() -> None:
    made = plan(shot("s", images=["gone.png"], chain=[edit("e")]))
    book = Book()
    found = by_name(made, book)
    assert [(entry.state, entry.reason, entry.key) for entry in found.values()] == [(State.FAILED, "input", None)] * 2
    assert "gone.png" in found["s"].why
    assert book.questions == 0


def test_a_broken_row_of_a_shot_without_edits_is_failed_and_says_so_in_its_step() -> None:
    rows = axis("p", value("1", shelf="a"), value("2", problem="ragged"), value("3"), kind="source")
    found = by_name(plan(shot("s", rows), shot("t", rows, path="{{ p.shelf }}/{{ p }}")), Book())
    assert {name: entry.state for name, entry in found.items() if entry.state is not State.PLANNED} == {
        "s/2": State.FAILED,
        "t/2": State.FAILED,
        "t/3": State.FAILED,
    }
    assert found["s/2"].step.problem == "input: ragged"
    assert found["t/3"].step.problem.startswith("input: path: ")
    assert not found["s/1"].step.problem


def test_only_takes_patterns_and_brings_the_parents_along() -> None:
    made = plan(shot("s", axis("a", "x", "y"), n=2, chain=[edit("e"), edit("f")]), shot("t"))
    assert list(by_name(made, Book(), only=["s/x#2/e"])) == ["s/x#2", "s/x#2/e"]
    assert list(by_name(made, Book(), only=["s/y", "t"])) == ["s/y", "t"]
    assert len(by_name(made, Book(), only=["s/x*"])) == 6
    assert list(by_name(made, Book(), only=["*/f"])) == [name for name in by_name(made, Book()) if name != "t"]
    assert not by_name(made, Book(), only=["nothing"])


def test_the_limit_counts_steps_that_are_asked_and_edits_wait_with_their_parents() -> None:
    made = plan(shot("s", axis("a", "x", "y"), prompt="{{ a }}", chain=[edit("e"), edit("f")]))
    found = by_name(made, Book(), limit=2)
    assert [entry.asks for entry in found.values()] == [True, True, False, False, False, False]
    assert found["s/x/f"].why == "beyond --limit"
    assert found["s/y"].why == "beyond --limit"
    assert found["s/y/e"].why == "its parent is not asked for in this run"
    assert all(entry.state is State.PLANNED for entry in found.values())
    half_done = by_name(made, chain_in_book(made, 3), limit=2)
    assert [entry.asks for entry in half_done.values()] == [False, False, False, True, True, False]
    assert not any(entry.asks for entry in by_name(made, Book(), limit=0).values())


def test_two_assets_that_ask_the_same_are_asked_once() -> None:
    made = plan(shot("s", chain=[edit("e")]), shot("t", chain=[edit("other")]), shot("u", chain=[edit("e", "Else.")]))
    found = by_name(made, Book())
    assert {name: (entry.asks, entry.twin) for name, entry in found.items()} == {
        "s": (True, False),
        "s/e": (True, False),
        "t": (False, True),
        "t/other": (False, True),
        "u": (False, True),
        "u/e": (True, False),
    }
    assert found["t"].quote is None
    assert [entry.twin for entry in by_name(made, Book(), limit=1).values()] == [False, False, True, False, True, False]


def test_spaces_never_satisfy_each_other_and_are_no_twins() -> None:
    same_model = [model("main"), replace(model("rival", "slow"), model="model-main")]
    shots = shot("s", model="main"), shot("t", model="rival")
    made = make_plan(manifest(*shots, models=same_model), Pictures(), PriceList())
    book = Book()
    book.put(base_key(made), State.DONE, picture=image("p"), space="sketch")
    spaces = {"fast": Space("sketch"), "slow": Space("")}
    found = by_name(made, book, space_of=spaces.__getitem__)
    assert found["s"].key == found["t"].key
    assert (found["s"].why, found["t"].why) == ("cached", "new")
    apart = by_name(made, Book(), space_of=spaces.__getitem__)
    assert (apart["s"].asks, apart["t"].asks) == (True, True)
    together = by_name(made, Book())
    assert (together["s"].asks, together["t"].asks) == (True, False)


# prices


def prices(made: Plan, book: Book | None = None) -> dict[str, int | None]:
    found = by_name(made, book or Book())
    return {name: None if entry.quote is None else entry.quote.expected for name, entry in found.items()}


def test_each_asked_step_has_its_price() -> None:
    made = plan(
        shot("s", prompt="x" * 10, images=["a.png"], mask="a.png", chain=[edit("e", "y" * 5, images=["a.png"])]), a=b"a"
    )
    assert prices(made) == {"s": 1000 + 10 + 10, "s/e": 1000 + 5 + 20}
    assert prices(plan(shot("s", model="unpriced"))) == {"s": None}
    assert prices(plan(shot("s", model="free"))) == {"s": 0}


def test_a_price_of_the_manifest_serves_where_the_catalogue_has_none() -> None:
    specs = [replace(model("main"), model="model-unpriced", price=MicroUsd(40_000))]
    made = make_plan(manifest(shot("s", n=3, per_request=2), models=specs), Pictures(), PriceList())
    found = by_name(made, Book())
    assert [(entry.quote.expected, entry.quote.source) for entry in found.values() if entry.quote] == [
        (40_000, "price")
    ] * 3


def test_packed_candidates_share_the_price_of_their_request() -> None:
    made = plan(shot("s", axis("a", "x", "y"), prompt="{{ a }}", n=3, per_request=2, chain=[edit("e", "e")]))
    found = by_name(made, Book())
    bases = [entry for entry in found.values() if not entry.depth]
    assert [entry.leads for entry in bases] == [True, False, True] * 2
    assert [entry.quote.expected for entry in bases if entry.quote] == [1001, 1001, 1001] * 2
    assert all(entry.leads for entry in found.values() if entry.depth)
    book = Book()
    book.put(base_key(made), State.DONE, picture=image("p"))
    packed = [entry for entry in by_name(made, book).values() if not entry.depth]
    assert [entry.leads for entry in packed][:3] == [False, True, False]


def test_a_price_is_asked_once_for_equal_requests() -> None:
    prices_of = PriceList()
    made = make_plan(manifest(shot("s", axis("a", *"abcdef"), prompt="{{ a }}")), Pictures(), prices_of)
    assert len({entry.quote for entry in by_name(made, Book()).values()}) == 1
    assert prices_of.asked == 1


# why


def explained(old: Shot, new: Shot, book: Book | None = None, **photos: bytes) -> dict[str, str]:
    """Why the new shot's assets are asked, when the ledger last recorded those of the old."""
    parts: dict[AssetName, Mapping[str, Json]] = {}
    for cell in plan(old, **{**photos, "a": b"before"}).cells():
        for chain in cell.chains:
            for step in chain:
                parts[step.asset] = step.parts(image(f"picture of {step.parent}").digest).as_json()
    asked: list[AssetName] = []

    def previous(names: Sequence[AssetName]) -> Mapping[AssetName, Mapping[str, Json]]:
        asked.extend(names)
        return {name: parts[name] for name in names if name in parts}

    found = resolve(
        plan(new, **{"a": b"before", **photos}).cells(), (book or Book()).lookup, space_of=paid, previous=previous
    )
    said = {str(entry.asset): entry.why for entry in found}
    assert len(asked) == len(set(asked))
    return said


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (shot("s", prompt="Other."), "prompt changed"),
        (shot("s", params={"quality": "low"}), "quality added"),
        (shot("s", model="rival"), "model changed"),
        (
            shot("s", prompt="Other.", params={"quality": "low"}, model="rival"),
            "prompt and model changed, quality added",
        ),
        (shot("s", images=["a.png"]), "image 1 added"),
        (shot("s", images=["a.png", "a.png"], mask="a.png"), "image 1, image 2 and mask added"),
        (shot("s"), "new"),
    ],
)
def test_why_names_the_parts_that_changed(new: Shot, why: str) -> None:
    assert explained(shot("s"), new)["s"] == why


def test_why_of_a_changed_photo_and_of_its_edits() -> None:
    made = shot("s", images=["a.png"], chain=[edit("e"), edit("f", "Other.")])
    said = explained(shot("s", images=["a.png"], chain=[edit("e"), edit("f")]), made, a=b"after")
    assert said == {"s": "image 1 changed", "s/e": "parent changed", "s/f": "prompt and parent changed"}


def test_why_of_an_asset_nobody_has_heard_of() -> None:
    assert explained(shot("other"), CHAIN) == {"s": "new", "s/e": "new", "s/f": "new"}


def test_why_of_an_edit_whose_parents_picture_is_another_now() -> None:
    book = Book()
    book.put(base_key(plan(CHAIN)), State.DONE, picture=image("another"))
    said = explained(CHAIN, CHAIN, book)
    assert said == {"s": "cached", "s/e": "parent changed", "s/f": "parent changed"}


BEFORE: dict[str, Json] = {
    "candidate": 1,
    "inputs": [["image", "p1"], ["image", "p2"], ["mask", "m"]],
    "key_version": 1,
    "model": "gpt-image-2",
    "params": {"quality": "low", "size": "auto"},
    "prompt": "A cup.",
    "protocol": "images",
}


@pytest.mark.parametrize(
    ("change", "chained", "found"),
    [
        ({}, False, []),
        ({"prompt": "B"}, False, [("prompt", "A cup.", "B")]),
        ({"params": {"quality": "high", "size": "auto"}}, False, [("params.quality", "low", "high")]),
        (
            {"params": {"size": "auto", "moderation": "low"}},
            False,
            [("params.moderation", None, "low"), ("params.quality", "low", None)],
        ),
        ({"params": {"quality": "low", "size": "auto", "a": True}}, False, [("params.a", None, True)]),
        ({"inputs": [["image", "p1"], ["image", "px"], ["mask", "m"]]}, False, [("image 2", "p2", "px")]),
        ({"inputs": [["image", "px"], ["image", "p2"], ["mask", "m"]]}, True, [("parent", "p1", "px")]),
        ({"inputs": [["image", "p1"], ["image", "px"], ["mask", "m"]]}, True, [("image 1", "p2", "px")]),
        ({"inputs": [["image", "p1"], ["image", "p2"]]}, False, [("mask", "m", None)]),
        ({"candidate": 2, "protocol": "chat"}, False, [("protocol", "images", "chat"), ("candidate", 1, 2)]),
        ({"key_version": 2}, False, [("key_version", 1, 2)]),
    ],
)
def test_differences_name_part_old_and_new(
    change: dict[str, Json], chained: bool, found: list[tuple[str, Json, Json]]
) -> None:
    told = differences(BEFORE, {**BEFORE, **change}, chained=chained)
    assert [(each.part, each.old, each.new) for each in told] == found


def test_a_number_that_becomes_true_is_a_difference() -> None:
    assert differences({"params": {"a": 1}}, {"params": {"a": True}}) == (Difference(part="params.a", old=1, new=True),)
    assert not changed_words(())


# batches


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9),
    st.lists(st.sampled_from([None, State.DONE, State.FAILED, State.REFUSED, State.UNKNOWN]), min_size=12, max_size=12),
    st.none() | st.integers(0, 8),
)
def test_batches_of_any_size_say_the_same(batch: int, states: list[State | None], limit: int | None) -> None:
    made = plan(
        shot("s", axis("a", *"xyz"), prompt="{{ a }}", n=2, chain=[edit("e")]),
        shot("t", axis("a", *"xy"), prompt="{{ a }}"),
    )
    book = Book()
    for state, chain in zip(states, (chain for cell in made.cells() for chain in cell.chains), strict=False):
        if state is not None:
            book.put(step_key(chain[0].parts()), state, picture=image("p") if state is State.DONE else None)

    def said(size: int) -> list[tuple[str, State, StepKey | None, bool]]:
        found = resolve(made.cells(), book.lookup, space_of=paid, batch=size)
        return [(entry.asset, entry.state, entry.key, entry.asks) for entry in found]

    def known(space: Space, keys: Sequence[StepKey]) -> list[bool | None]:
        slots = [book.slots.get((space, key)) for key in keys]
        return [slot.image is not None or None if slot else False for slot in slots]

    assert said(batch) == said(1000)
    spared = resolve(made.cells(), book.lookup, space_of=paid, batch=batch, known=known)
    assert [(entry.asset, entry.state, entry.key, entry.asks) for entry in spared] == said(1000)
    whole = list(resolve(made.cells(), book.lookup, space_of=paid, limit=limit, batch=batch))
    assert limit is None or sum(entry.asks for entry in whole) <= limit
    assert len(whole) == sum(count for _, count in made.totals())


def test_one_question_a_level_and_batch() -> None:
    made = plan(shot("s", axis("a", *"abcdefgh"), prompt="{{ a }}", n=2))
    book = Book()
    assert len(list(resolve(made.cells(), book.lookup, space_of=paid, batch=4))) == 16
    assert book.questions == 2
