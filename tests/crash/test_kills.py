"""The short form of `make crash`: kills at failpoints and at random moments, and the checker after every step."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.failpoint import FAILPOINTS
from tests.crash.campaign import DECIDING, Case, Figures, campaign, cases, tell
from tests.crash.history import PRICE, Asset, Attempt, Expected, History, faults
from tests.crash.program import Server, serving
from tests.crash.scenes import Kill, Story
from tests.crash.witness import Sale, Witness


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as started:
        yield started


def test_without_a_kill_everything_is_bought_once(server: Server, tmp_path: Path) -> None:
    figures = Figures()
    tell(Case(at_once=4, kills=(), lose=False, seed=2), tmp_path / "case", server, figures)
    assert figures.faults == []
    assert (figures.sales, figures.delivered, figures.unknown) == (21, 21, 0)


@pytest.mark.parametrize("at_once", [1, 4, 8])
def test_killed_again_and_again_nothing_is_lost_and_nothing_bought_twice(
    server: Server, tmp_path: Path, at_once: int
) -> None:
    figures = Figures()
    luck = random.Random(at_once)
    named = luck.sample([name for name in FAILPOINTS if name != DECIDING], 3)
    kills = (*(Kill(at=f"{name}:{luck.choice((1, 2, 3))}") for name in named), Kill(after=0.3))
    tell(Case(at_once=at_once, kills=kills, lose=True, seed=at_once), tmp_path / "case", server, figures)
    assert figures.faults == []
    assert figures.kills >= 2


def test_a_killed_process_leaves_no_temporary_file_for_good(server: Server, tmp_path: Path) -> None:
    figures = Figures()
    kills = tuple(Kill(at=f"{name}:2") for name in ("image.sync", "place.rename", "receipt.rename"))
    tell(Case(at_once=4, kills=kills, lose=False, seed=4), tmp_path / "case", server, figures)
    assert figures.faults == []
    assert figures.kills == 3


def test_more_requests_at_once_than_allowed_are_seen(server: Server, tmp_path: Path) -> None:
    with Witness(tmp_path / "bill", latency=0.3).open() as witness:
        story = Story(folder=tmp_path / "work", server=server, witness=witness, at_once=4)
        assert story.run().code == 0
        assert (witness.highest, witness.in_flight, witness.open_lines, story.faults) == (4, 0, 0, [])
        story.at_once = 3
        story.check(clean=True, complete=True)
        assert [fault[:3] for fault in story.faults] == ["H10"]


def test_a_killed_decision_can_be_taken_again(server: Server, tmp_path: Path) -> None:
    figures = Figures()
    tell(Case(at_once=4, kills=(Kill(at="spool.head:2"),), lose=False, seed=5), tmp_path / "case", server, figures)
    assert figures.faults == []
    assert DECIDING in figures.reached


def test_decisions_outlive_the_ledger(server: Server, tmp_path: Path) -> None:
    with Witness(tmp_path / "bill").open() as witness:
        story = Story(folder=tmp_path / "work", server=server, witness=witness, at_once=4)
        story.run(Kill(at="spool.head:3"))
        assert story.run().code == 14
        # A request that was killed before it left cost nothing and has no receipt: a ledger made anew need not know it.
        left = {each.attempt_id for each in story.history().attempts if each.outcome != "failed"}
        story.reconcile()

        def said() -> set[tuple[str, str, int]]:
            return {
                (each.attempt_id, each.outcome, each.usd)
                for each in story.history().attempts
                if each.attempt_id in left
            }

        before = said()
        assert len(before) == len(left)
        assert {outcome for _, outcome, _ in before} >= {"done", "failed"}
        story.lose_ledger()
        assert said() == before
        story.finish()
        assert story.faults == []


def test_requests_on_their_way_when_the_ledger_is_lost_are_held(server: Server, tmp_path: Path) -> None:
    with Witness(tmp_path / "bill", latency=1.0).open() as witness:
        story = Story(folder=tmp_path / "work", server=server, witness=witness, at_once=8)
        assert story.run(Kill(sold=2)).killed
        story.lose_ledger()
        held = [each for each in story.history().attempts if each.outcome in {"sent", "unknown"}]
        assert held
        story.finish()
        assert story.faults == []


def test_the_first_cases_of_a_campaign_reach_every_failpoint() -> None:
    named = {kill.at.partition(":")[0] for case in cases(500, 1) for kill in case.kills if kill.at}
    assert named == set(FAILPOINTS) - {DECIDING}


SALE = Sale(serial=1, prompt="one", count=1, digests=("a" * 64,))
GOOD = History(
    sales=(SALE,),
    delivered=frozenset({1}),
    attempts=(Attempt(attempt_id="x", asset="one", prompt="one", outcome="done", request_id="sale-1", usd=PRICE),),
    assets=(Asset(name="one", state="done", reason="", digest="a" * 64, path="one.png"),),
    images={"a" * 64: "a" * 64},
    tree={"one.png": "a" * 64},
    index={"one": {"state": "done", "sha256": "a" * 64}},
    receipts=frozenset({"x"}),
    leftovers=(),
    integrity="ok",
    secrets=(),
)
ALL = Expected(wanted={"one": 1}, clean=True, complete=True, most_unknown=0)

BAD = {
    "H1 image": replace(GOOD, images={"a" * 64: "b" * 64}),
    "H1 attempt": replace(GOOD, images={}),
    "H1 0 of 1": replace(GOOD, assets=()),
    "H2 'one' was sold": replace(GOOD, attempts=()),
    "H2 attempt x": replace(GOOD, sales=(replace(SALE, serial=9),)),
    "H3": replace(GOOD, attempts=(replace(GOOD.attempts[0], usd=2 * PRICE),)),
    "H4": replace(GOOD, images={}),
    "H5": replace(GOOD, attempts=(replace(GOOD.attempts[0], outcome="unknown"),)),
    "H6": replace(GOOD, sales=(SALE, replace(SALE, serial=2))),
    "H7 one.png": replace(GOOD, tree={"one.png": "c" * 64}),
    "H7 one: one.png": replace(GOOD, tree={}),
    "H7 one: the index": replace(GOOD, index={}),
    "H8 the ledger": replace(GOOD, integrity="page 3 is torn"),
    "H8 x": replace(GOOD, leftovers=("x",)),
    "H8 attempt": replace(GOOD, receipts=frozenset()),
    "H9": replace(GOOD, secrets=("ledger.db",)),
}


def test_the_checker_has_nothing_against_a_good_history() -> None:
    assert list(faults(GOOD, ALL)) == []


@pytest.mark.parametrize("name", BAD)
def test_the_checker_finds(name: str) -> None:
    assert any(fault.startswith(name) for fault in faults(BAD[name], ALL))


def test_a_campaign_counts_what_it_did(tmp_path: Path) -> None:
    figures = campaign([Case(at_once=4, kills=(Kill(at="spool.sent:1"),), lose=False, seed=8)], folder=tmp_path)
    assert figures.faults == []
    assert (figures.stories, figures.kills, figures.reached) == (1, 1, {"spool.sent"})
