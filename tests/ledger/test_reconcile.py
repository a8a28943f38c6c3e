"""What a person says of attempts nobody knows, and what it does to money, slots and assets."""

from pathlib import Path

import pytest

from pipeline.domain.record import PAID, AttemptId, Outcome, State
from pipeline.ledger import Decision, Ledger, NoSuchAttempt, SlotTaken
from tests.ledger.making import MANIFEST, RUN, asset, begun, done, intent, key, name, settled, view

FIRST = AttemptId("attempt-1")


def unknown(ledger: Ledger) -> None:
    ledger.open_attempt(intent(1, (1, 2)))
    ledger.settle(settled(1, Outcome.UNKNOWN))
    ledger.record_assets([asset(1, State.UNKNOWN), asset(2, State.UNKNOWN)])


@pytest.mark.parametrize(
    ("decision", "state", "reason", "spent"),
    [
        ("billed", State.FAILED, "lost", 70_001),
        ("not_billed", State.PLANNED, "", 0),
        ("rebuy", State.PLANNED, "", 70_001),
    ],
)
def test_a_decision_settles_money_slots_and_assets_at_once(
    tmp_path: Path, decision: Decision, state: State, reason: str, spent: int
) -> None:
    with begun(tmp_path) as ledger:
        unknown(ledger)
        assert ledger.money_of_run(RUN).unknown == 70_001
        assert ledger.reconcile([FIRST], decision, "asked the host") == 1
        assert ledger.reconcile([FIRST], decision) == 0
        slots = ledger.slots(PAID, [key(1), key(2)])
        assert {(slot.state, slot.reason) for slot in slots.values()} == {(state, reason)}
        assert {(row.state, row.reason) for row in ledger.assets(MANIFEST)} == {(state, reason)}
        for money in (ledger.money_of_run(RUN), ledger.money_since()):
            assert (money.spent, money.unknown) == (spent, 0)
        assert sum(money.spent for money in ledger.money_of_assets(MANIFEST, [name(1), name(2)]).values()) == spent
        assert ledger.unknown() == ()
        (row,) = view(tmp_path, "SELECT outcome, usd FROM v_attempts")
        assert (row["outcome"], row["usd"]) == ("failed", spent / 1_000_000)


@pytest.mark.parametrize(("decision", "asked_again"), [("billed", False), ("not_billed", True), ("rebuy", True)])
def test_only_a_person_makes_the_next_run_ask_again(tmp_path: Path, decision: Decision, asked_again: bool) -> None:
    with begun(tmp_path) as ledger:
        unknown(ledger)
        with pytest.raises(SlotTaken):
            ledger.open_attempt(intent(2))
        ledger.reconcile([FIRST], decision)
        if asked_again:
            ledger.open_attempt(intent(2))
        else:
            with pytest.raises(SlotTaken):
                ledger.open_attempt(intent(2))


def test_a_slot_stays_unknown_until_its_last_attempt_is_settled(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        for number in (1, 2):
            ledger.open_attempt(intent(number), max_buys=2)
            ledger.settle(settled(number, Outcome.UNKNOWN))
        ledger.reconcile([AttemptId("attempt-2")], "not_billed")
        assert ledger.slots(PAID, [key(1)])[key(1)].state is State.UNKNOWN
        ledger.reconcile([FIRST], "not_billed")
        assert ledger.slots(PAID, [key(1)])[key(1)].state is State.PLANNED
        ledger.open_attempt(intent(3))


def test_what_came_since_is_not_undone_by_an_old_decision(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(settled(1, Outcome.UNKNOWN))
        ledger.open_attempt(intent(2), max_buys=2)
        ledger.settle(done(2, "there"))
        ledger.reconcile([FIRST], "billed")
        assert ledger.slots(PAID, [key(1)])[key(1)].state is State.DONE
        assert ledger.money_of_run(RUN).spent == 140_002


def test_only_unknown_attempts_can_be_settled_by_a_person_and_all_or_none(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        unknown(ledger)
        ledger.open_attempt(intent(2, (3,)))
        ledger.settle(done(2, "three"))
        for other in ("attempt-2", "attempt-9"):
            with pytest.raises(NoSuchAttempt, match=other):
                ledger.reconcile([FIRST, AttemptId(other)], "billed")
        assert len(ledger.unknown()) == 1
        assert [row.attempt_id for row in ledger.unknown(MANIFEST, [name(2)])] == [FIRST]
        assert ledger.unknown(MANIFEST, [name(3)]) == ()
        assert ledger.unknown("another") == ()
