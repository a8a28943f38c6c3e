"""One purchase: intent, claims, settlement; the database forbids a second one."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.domain.errors import LedgerFault
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, SKETCH, AttemptId, Outcome, RunId, Space, State
from pipeline.ledger import NoSuchAttempt, SettledOtherwise, SlotTaken
from tests.ledger.making import (
    ENDPOINT,
    MANIFEST,
    RUN,
    START,
    asset,
    begun,
    done,
    intent,
    kept,
    key,
    name,
    opened,
    parts,
    picture,
    settled,
    view,
)


def test_the_sent_row_is_durable_before_the_request_may_leave(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        # Another process sees it at once: it is committed.
        (row,) = view(tmp_path, "SELECT * FROM v_attempts")
        assert (row["outcome"], row["asset"], row["step_key"], row["usd"]) == ("sent", "hero/1", key(1), 0.100001)
        assert ledger.intent(AttemptId("attempt-1")) == intent(1)
        assert ledger.parts(key(1)) == parts(1)


def test_a_slot_whose_attempt_is_open_cannot_be_bought_again(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2)))
        for again in (False, True):
            with pytest.raises(SlotTaken) as caught:
                ledger.open_attempt(intent(2, (3, 2)), again=again)
            assert (caught.value.hindrance, caught.value.key) == ("claimed", key(2))
        # Nothing of the refused attempt was written, its claim on slot 3 neither.
        assert not ledger.knows_attempt(AttemptId("attempt-2"))
        ledger.open_attempt(intent(4, (3,)))
        assert ledger.run(RUN).requests == 2  # type: ignore[union-attr]


def test_one_request_cannot_ask_twice_for_one_slot(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger, pytest.raises(SlotTaken):
        ledger.open_attempt(intent(1, (1, 1)))


def test_the_same_key_in_another_space_is_another_slot(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.open_attempt(intent(2, space=SKETCH))
        ledger.settle(done(2, "sketch", space=SKETCH))
        assert ledger.slots(PAID, [key(1)]) == {}
        assert ledger.slots(SKETCH, [key(1)])[key(1)].image == picture("sketch")


def test_what_is_done_is_not_bought_again_unless_a_person_says_so(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(done(1, "first"))
        with pytest.raises(SlotTaken) as caught:
            ledger.open_attempt(intent(2), max_buys=9)
        assert caught.value.hindrance == "done"
        ledger.open_attempt(intent(2), again=True)
        ledger.settle(done(2, "second"))
        assert ledger.slots(PAID, [key(1)])[key(1)].image == picture("second")
        assert ledger.pictures.find(picture("first").digest) == picture("first")


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.FAILED, Outcome.UNKNOWN])
def test_an_attempt_that_brings_nothing_takes_no_picture_away(tmp_path: Path, outcome: Outcome) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(done(1, "first"))
        ledger.open_attempt(intent(2), again=True)
        ledger.settle(settled(2, outcome))
        slot = ledger.slots(PAID, [key(1)])[key(1)]
        assert (slot.state, slot.image, slot.attempt_id) == (State.DONE, picture("first"), "attempt-1")


@pytest.mark.parametrize(("max_buys", "nights"), [(1, 1), (2, 2), (3, 3)])
def test_no_row_of_nights_buys_a_picture_more_often_than_allowed(tmp_path: Path, max_buys: int, nights: int) -> None:
    with begun(tmp_path) as ledger:
        for night in range(nights):
            ledger.open_attempt(intent(night), max_buys=max_buys)
            ledger.settle(settled(night, Outcome.UNKNOWN))
        with pytest.raises(SlotTaken) as caught:
            ledger.open_attempt(intent(nights), max_buys=max_buys)
        assert caught.value.hindrance == "bought"


def test_what_was_surely_not_billed_is_no_purchase(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        for number, outcome in enumerate([Outcome.FAILED, Outcome.REFUSED, Outcome.FAILED]):
            ledger.open_attempt(intent(number))
            ledger.settle(settled(number, outcome, reason="exhausted"))
        slot = ledger.slots(PAID, [key(1)])[key(1)]
        assert (slot.state, slot.reason, slot.image) == (State.FAILED, "exhausted", None)
        run = ledger.run(RUN)
        assert run is not None
        assert (run.requests, run.retries) == (3, 2)


def test_settling_twice_alike_changes_nothing_and_otherwise_is_refused(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2)))
        first = done(1, "one", "two")
        ledger.settle(first)
        ledger.settle(replace(first, ended_at=START + timedelta(days=1), recovered=True))
        assert ledger.money_of_run(RUN).spent == 70_001
        for other in (
            settled(1, Outcome.UNKNOWN),
            done(1, "one"),
            done(1, "two", "one"),
            replace(first, cost=MicroUsd(1)),
        ):
            with pytest.raises(SettledOtherwise, match="attempt-1"):
                ledger.settle(other)
        with pytest.raises(NoSuchAttempt):
            ledger.settle(done(9, "nine"))


def test_fewer_pictures_than_asked_leave_the_rest_planned_and_more_are_kept(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2, 3)))
        ledger.settle(
            settled(1, Outcome.DONE, [kept("one", 0), kept("three", 2, warnings=("size",)), kept("more", None)])
        )
        slots = ledger.slots(PAID, [key(1), key(2), key(3), key(4)])
        assert {slots[k].state for k in (key(1), key(3))} == {State.DONE}
        assert (slots[key(2)].state, slots[key(2)].image, slots[key(2)].usd) == (State.PLANNED, None, 0)
        assert slots[key(3)].warnings == ("size",)
        assert key(4) not in slots
        # The money lies on the pictures that came, to the last millionth.
        assert (slots[key(1)].usd, slots[key(3)].usd) == (35_001, 35_000)
        assert ledger.pictures.origin(picture("more").digest) == ("attempt-1", key(1))
        ledger.open_attempt(intent(2, (2,)))


def test_a_flawed_picture_is_kept_shown_and_not_asked_again(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(settled(1, Outcome.DONE, [kept("flat", state=State.FAILED, reason="opaque")]))
        slot = ledger.slots(PAID, [key(1)])[key(1)]
        assert (slot.state, slot.reason, slot.image, slot.usd) == (State.FAILED, "opaque", picture("flat"), 70_001)
        with pytest.raises(SlotTaken):
            ledger.open_attempt(intent(2))


def test_what_a_dead_run_left_sent_is_recovered_whole(tmp_path: Path) -> None:
    begun(tmp_path).close()
    with opened(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2)))
        ledger.open_attempt(intent(2, (3,)))
        assert ledger.recover() == ()  # our own are in flight, not left
        # No end is written: the process dies here.
        with opened(tmp_path) as next_start:
            assert next_start.recover() == (intent(1, (1, 2)), intent(2, (3,)))
            next_start.mark_unknown(AttemptId("attempt-1"), culprit="killed")
            next_start.mark_unsent(AttemptId("attempt-2"))
            assert next_start.recover() == ()
            (row,) = next_start.unknown(MANIFEST)
            assert (row.usd, row.culprit, row.assets) == (100_001, "killed", (name(1), name(2)))
            money = next_start.money_of_run(RUN)
            assert (money.spent, money.unknown) == (0, 100_001)
            assert next_start.slots(PAID, [key(3)])[key(3)].state is State.FAILED
            next_start.open_attempt(intent(3, (3,)))


BUYING = """
import sys
from pathlib import Path
from tests.ledger.making import begun, done, intent
with begun(Path(sys.argv[1])) as ledger:
    for number in range(10_000):
        ledger.open_attempt(intent(number, (number,)))
        print("sent", number, flush=True)
        ledger.settle(done(number, f"picture {number}"))
        print("saved", number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 2, 9, 40])
def test_whatever_was_said_to_be_written_survives_a_kill(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-c", BUYING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as buyer:
        assert buyer.stdout is not None
        said = [buyer.stdout.readline().split() for _ in range(lines)]
        buyer.kill()
        said += [line.split() for line in buyer.stdout.read().splitlines() if line[-1].isdigit()]
    with opened(tmp_path) as ledger:
        left = {attempt.attempt_id for attempt in ledger.recover()}
        for word, number in said:
            if word == "saved":
                assert ledger.slots(PAID, [key(int(number))])[key(int(number))].state is State.DONE
            else:
                assert ledger.knows_attempt(AttemptId(f"attempt-{number}"))
        assert len(left) <= 1
        assert ledger.money_of_run(RUN) == ledger.money_since()


def test_a_commit_is_synced_before_it_is_told(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        connection = ledger._book.connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: a power cut takes nothing back
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_attempt_needs_a_run_and_something_to_ask_for(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        with pytest.raises(LedgerFault, match="never begun"):
            ledger.open_attempt(intent(1, run_id=RunId("another")))
        with pytest.raises(LedgerFault, match="asks for nothing"):
            ledger.open_attempt(intent(1, ()))
        with pytest.raises(LedgerFault, match="already"):
            ledger.begin_run(RUN, manifest=MANIFEST)
        with pytest.raises(LedgerFault, match="never begun"):
            ledger.end_run(RunId("another"), exit=0)


def test_receipts_make_the_ledger_anew_in_any_order(tmp_path: Path) -> None:
    with begun(tmp_path / "old") as old:
        old.open_attempt(intent(1, (1, 2)))
        old.settle(done(1, "one", "two"))
        old.open_attempt(intent(2, (3,)))
        old.settle(settled(2, Outcome.UNKNOWN))
        with opened(tmp_path / "new") as new:
            assert new.replay(intent(2, (3,)), settled(2, Outcome.UNKNOWN))
            assert new.replay(intent(1, (1, 2)), done(1, "one", "two"))
            assert not new.replay(intent(1, (1, 2)), done(1, "one", "two"))
            keys = [key(1), key(2), key(3)]
            assert new.slots(PAID, keys) == old.slots(PAID, keys)
            assert new.money_since() == old.money_since()


def test_what_our_own_gateway_brought_moves_to_the_sketch_space_at_once(tmp_path: Path) -> None:
    other = "https://paid.example/v1"
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1,)))
        ledger.settle(done(1, "sketch"))
        ledger.open_attempt(intent(2, (2,)))  # in flight when it is found out
        ledger.open_attempt(intent(3, (3,), endpoint=other))
        ledger.settle(done(3, "paid"))
        ledger.record_assets([asset(1, text="sketch"), asset(3, text="paid")])
        assert ledger.space_of(ENDPOINT) is None
        ledger.learn_sketch(ENDPOINT)
        assert ledger.space_of(ENDPOINT) == SKETCH
        assert ledger.slots(PAID, [key(1), key(2), key(3)]).keys() == {key(3)}
        assert ledger.slots(SKETCH, [key(1)])[key(1)].image == picture("sketch")
        with pytest.raises(SlotTaken):
            ledger.open_attempt(intent(4, (2,), space=SKETCH))
        ledger.open_attempt(intent(5, (1, 2)))  # for money they were never asked
        # An answer read before the discovery still lands where it belongs.
        ledger.settle(done(2, "late", space=PAID))
        assert ledger.slots(SKETCH, [key(2)])[key(2)].image == picture("late")
        assert key(2) not in ledger.slots(PAID, [key(2)])
        assert [(row.asset, row.space) for row in ledger.assets(MANIFEST)] == [(name(1), SKETCH), (name(3), PAID)]
        ledger.unlearn(ENDPOINT)
        assert ledger.space_of(ENDPOINT) is None
        assert ledger.slots(SKETCH, [key(1)])


def test_moving_to_a_space_that_has_the_key_keeps_the_better_picture(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1,), space=SKETCH, endpoint="embedded"))
        ledger.settle(done(1, "rehearsal", space=SKETCH))
        ledger.open_attempt(intent(2, (1,)))
        ledger.settle(settled(2, Outcome.REFUSED))
        ledger.open_attempt(intent(3, (2,), space=Space("other")))
        ledger.settle(done(3, "other", space=Space("other")))
        ledger.learn_sketch(ENDPOINT)
        slots = ledger.slots(SKETCH, [key(1), key(2)])
        assert slots[key(1)].image == picture("rehearsal")
        assert slots[key(2)].image == picture("other")
