"""A model of the ledger beside the ledger: purchases, decisions, crashes between any two writes, reopening."""

import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pipeline.domain.digest import Digest
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, SKETCH, AttemptId, Kept, Outcome, Settlement, Space, State
from pipeline.domain.step import StepKey
from pipeline.ledger import Decision, SlotTaken
from tests.ledger.making import MANIFEST, RUN, intent, kept, key, opened, settled, view

NUMBERS = st.lists(st.integers(0, 4), min_size=1, max_size=3, unique=True)
SPACES = st.sampled_from([PAID, SKETCH])
MONEY = st.integers(0, 5_000_000)


@dataclass
class Attempt:
    numbers: tuple[int, ...]
    space: Space
    cost: int
    epoch: int
    outcome: Outcome | None = None
    decision: str = ""


@dataclass
class Standing:
    state: State = State.PLANNED
    reason: str = ""
    image: Digest | None = None
    buys: int = 0


@dataclass
class Model:
    attempts: dict[AttemptId, Attempt] = field(default_factory=dict)
    slots: dict[tuple[Space, StepKey], Standing] = field(default_factory=dict)
    images: set[Digest] = field(default_factory=set)

    def open_for(self, space: Space, number: int) -> bool:
        return any(
            attempt.outcome is None and attempt.space == space and number in attempt.numbers
            for attempt in self.attempts.values()
        )


class Injected(Exception):
    """The power goes here."""


class LedgerMachine(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="ledger-machine-"))
        self.folder = self.root / "0"
        self.count = 0
        self.model = Model()
        self.ledger = opened(self.folder)
        self.ledger.begin_run(RUN, manifest=MANIFEST)

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.root)

    def crash_into(self) -> Path:
        """What a kill leaves: the files as they are now, with no goodbye."""
        self.count += 1
        folder = self.root / f"crash-{self.count}"
        folder.mkdir()
        for name in ("ledger.db", "ledger.db-wal"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, folder / name)
        return folder

    def restart(self, folder: Path) -> None:
        self.ledger.close()
        self.folder = folder
        self.ledger = opened(folder)

    def open_now(self) -> list[AttemptId]:
        return [name for name, attempt in self.model.attempts.items() if attempt.outcome is None]

    @rule(numbers=NUMBERS, space=SPACES, cost=MONEY, max_buys=st.integers(1, 2), again=st.booleans())
    def buy(self, numbers: list[int], space: Space, cost: int, max_buys: int, again: bool) -> None:
        self.count += 1
        wanted = intent(self.count, numbers, space=space, cost_high=MicroUsd(cost))
        taken = any(self.model.open_for(space, number) for number in numbers)
        for number in numbers:
            standing = self.model.slots.get((space, key(number)), Standing())
            taken |= not again and (standing.state is State.DONE or standing.buys >= max_buys)
        if taken:
            with pytest.raises(SlotTaken):
                self.ledger.open_attempt(wanted, max_buys=max_buys, again=again)
            return
        self.ledger.open_attempt(wanted, max_buys=max_buys, again=again)
        epoch = self.ledger.epoch
        assert epoch is not None
        self.model.attempts[wanted.attempt_id] = Attempt(tuple(numbers), space, cost, epoch)

    @precondition(lambda self: self.open_now())
    @rule(
        data=st.data(),
        outcome=st.sampled_from(Outcome),
        cost=MONEY,
        surplus=st.booleans(),
        flat=st.booleans(),
        twice=st.booleans(),
    )
    def settle(
        self, *, data: st.DataObject, outcome: Outcome, cost: int, surplus: bool, flat: bool, twice: bool
    ) -> None:
        attempt_id = data.draw(st.sampled_from(self.open_now()))
        attempt = self.model.attempts[attempt_id]
        pictures: list[Kept] = []
        if outcome is Outcome.DONE:
            filled = data.draw(st.lists(st.sampled_from(range(len(attempt.numbers))), unique=True))
            pictures = [kept(f"{attempt_id} {at}", at) for at in sorted(filled)]
            if surplus:
                pictures.append(kept(f"{attempt_id} more", None))
            if pictures and flat:
                pictures[0] = kept(f"{attempt_id} flat", pictures[0].slot, state=State.FAILED, reason="opaque")
        money = MicroUsd(0 if outcome in {Outcome.FAILED, Outcome.REFUSED} else cost)
        settlement: Settlement = settled(
            0, outcome, pictures, attempt_id=attempt_id, space=attempt.space, cost=money, cost_high=MicroUsd(cost)
        )
        for _ in range(1 + twice):
            self.ledger.settle(settlement)
        attempt.outcome, attempt.cost = outcome, money
        self.model.images |= {picture.image.digest for picture in pictures}
        by_slot = {picture.slot: picture for picture in pictures}
        for at, number in enumerate(attempt.numbers):
            self.put(attempt.space, number, outcome, by_slot.get(at))

    def put(self, space: Space, number: int, outcome: Outcome, picture: Kept | None) -> None:
        standing = self.model.slots.setdefault((space, key(number)), Standing())
        state, reason = (
            (picture.state, picture.reason)
            if picture
            else (State.PLANNED if outcome is Outcome.DONE else State(outcome.value), "")
        )
        if standing.state is State.DONE and state is not State.DONE:
            return
        standing.state, standing.reason = state, reason
        standing.image = picture.image.digest if picture else None
        standing.buys += bool(picture) or outcome is Outcome.UNKNOWN

    def undecided(self) -> list[AttemptId]:
        return [
            name
            for name, attempt in self.model.attempts.items()
            if attempt.outcome is Outcome.UNKNOWN and not attempt.decision
        ]

    @precondition(lambda self: self.undecided())
    @rule(data=st.data(), decision=st.sampled_from(["billed", "not_billed", "rebuy"]))
    def decide(self, data: st.DataObject, decision: Decision) -> None:
        attempt_id = data.draw(st.sampled_from(self.undecided()))
        attempt = self.model.attempts[attempt_id]
        self.ledger.reconcile([attempt_id], decision)
        attempt.decision = decision
        if decision == "not_billed":
            attempt.cost = 0
        for number in attempt.numbers:
            standing = self.model.slots[attempt.space, key(number)]
            others = any(
                number in self.model.attempts[other].numbers and self.model.attempts[other].space == attempt.space
                for other in self.undecided()
            )
            if decision == "not_billed" and (others or standing.state is State.UNKNOWN):
                standing.buys = max(0, standing.buys - 1)
            if others or standing.state is not State.UNKNOWN:
                continue
            if decision == "rebuy":
                standing.buys = 0
            standing.state = State.FAILED if decision == "billed" else State.PLANNED
            standing.reason = "lost" if decision == "billed" else ""

    @rule(orderly=st.booleans())
    def reopen(self, orderly: bool) -> None:
        self.restart(self.folder if orderly else self.crash_into())
        left = {attempt.attempt_id for attempt in self.ledger.recover()}
        assert left == set(self.open_now())

    @rule(numbers=NUMBERS)
    def crash_inside_a_transaction(self, numbers: list[int]) -> None:
        folder = None
        try:
            with self.ledger.together():
                self.ledger.open_attempt(intent(10_000 + self.count, numbers, space=Space("crash")))
                folder = self.crash_into()
                raise Injected
        except Injected:
            assert folder is not None
            self.restart(folder)

    @invariant()
    def the_ledger_is_the_model(self) -> None:
        model = self.model
        for space in (PAID, SKETCH):
            found = self.ledger.slots(space, [key(number) for number in range(5)])
            shown = {
                name: (slot.state, slot.reason, slot.image.digest if slot.image else None)
                for name, slot in found.items()
            }
            wanted = {
                name: (standing.state, standing.reason, standing.image)
                for (where, name), standing in model.slots.items()
                if where == space
            }
            assert shown == wanted
            told = self.ledger.known_keys(space)([key(number) for number in range(7)])
            assert told == [
                name in wanted and (True if wanted[name][0] is State.DONE and wanted[name][2] else None)
                for name in (key(number) for number in range(7))
            ]
        assert {image.digest for image in self.ledger.pictures.every()} == model.images
        assert {row.attempt_id for row in self.ledger.unknown()} == set(self.undecided())

    @invariant()
    def every_sum_is_exact(self) -> None:
        open_or_unknown = {*self.undecided(), *self.open_now()}
        unknown = sum(self.model.attempts[name].cost for name in open_or_unknown)
        spent = sum(attempt.cost for attempt in self.model.attempts.values()) - unknown
        assets = self.ledger.money_of_assets(MANIFEST, [f"hero/{number}" for number in range(5)])  # type: ignore[misc]
        for money in (self.ledger.money_of_run(RUN), self.ledger.money_since()):
            assert (money.spent, money.unknown) == (spent, unknown)
        assert sum(money.spent for money in assets.values()) == spent
        assert sum(money.unknown for money in assets.values()) == unknown

    @invariant()
    def the_views_tell_the_same(self) -> None:
        outcomes = Counter(row["outcome"] for row in view(self.folder, "SELECT outcome FROM v_attempts"))
        assert outcomes == Counter(
            "failed" if attempt.decision else attempt.outcome.value if attempt.outcome else "sent"
            for attempt in self.model.attempts.values()
        )


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
