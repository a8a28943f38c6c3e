"""Counts of a run, kept from its events: what the screen shows and the summary says."""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.domain.digest import Json
from pipeline.domain.event import (
    AssetSettled,
    AttemptEnded,
    AttemptSent,
    Event,
    ProviderStopped,
    RunStarted,
)
from pipeline.domain.money import MicroUsd, to_usd
from pipeline.domain.record import AttemptId, Outcome, RunId, State

TRIED = frozenset({State.DONE, State.REFUSED, State.FAILED, State.UNKNOWN})
"""How an asset ends that was asked for."""


@dataclass(slots=True, kw_only=True)
class ShotTally:
    """Counts of one shot: how many assets it wants and how many reached each state; cached ones apart."""

    total: int = 0
    cached: int = 0
    states: Counter[State] = field(default_factory=Counter)

    @property
    def settled(self) -> int:
        """Assets whose fate in this run is known."""
        return self.cached + self.states.total()


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of a run. Money in micro-USD; in_flight: worst price of each attempt that is on its way.

    run_id: empty until it has begun. limit: assets asked for at most; None without one. made: assets whose request has
    ended, whatever it brought: what an earlier run left refused or unknown took no time.
    """

    run_id: RunId = RunId("")
    limit: int | None = None
    made: int = 0
    shots: dict[str, ShotTally] = field(default_factory=dict)
    requests: int = 0
    retries: int = 0
    images: int = 0
    spent: MicroUsd = MicroUsd(0)
    unknown: MicroUsd = MicroUsd(0)
    unknown_attempts: int = 0
    saved: MicroUsd = MicroUsd(0)
    in_flight: dict[AttemptId, MicroUsd] = field(default_factory=dict)
    stopped: list[ProviderStopped] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        """Takes one event into account."""
        match event:
            case AssetSettled():  # of these there may be a million
                self._settled(event)
            case RunStarted():
                self.run_id, self.limit = event.run_id, event.limit
                for shot, total in event.totals:
                    self.shots.setdefault(shot, ShotTally()).total = total
            case AttemptSent():
                self.requests += 1
                self.retries += event.repeat
                self.in_flight[event.attempt_id] = event.worst
            case AttemptEnded():
                self._ended(event)
            case ProviderStopped():
                self.stopped.append(event)
            case _:
                pass

    def _ended(self, event: AttemptEnded) -> None:
        self.in_flight.pop(event.attempt_id, None)
        self.images += event.images
        if event.outcome is Outcome.UNKNOWN:
            self.unknown_attempts += 1
            self.unknown = MicroUsd(self.unknown + event.usd)
        else:
            self.spent = MicroUsd(self.spent + event.usd)

    def _settled(self, event: AssetSettled) -> None:
        shot = self.shots.setdefault(event.shot, ShotTally())
        if event.cached and event.state is State.DONE:
            shot.cached += 1
            self.saved = MicroUsd(self.saved + event.usd)
        else:
            shot.states[event.state] += 1
            self.made += event.asked and event.state in TRIED

    def count(self, state: State) -> int:
        """Assets that reached this state in this run (``done``: made by this run)."""
        return sum(shot.states[state] for shot in self.shots.values())

    @property
    def cached(self) -> int:
        """Assets that were already in the ledger."""
        return sum(shot.cached for shot in self.shots.values())

    @property
    def total(self) -> int:
        """Assets the manifest wants."""
        return sum(shot.total for shot in self.shots.values())

    @property
    def reserved(self) -> MicroUsd:
        """Worst price of what is on its way."""
        return MicroUsd(sum(self.in_flight.values()))

    def assets(self) -> dict[str, Json]:
        """The ``assets`` object of the summary; ``total`` is the sum of the other counts."""
        counts: dict[str, Json] = {
            "done": self.count(State.DONE),
            "cached": self.cached,
            "planned": self.count(State.PLANNED),
            "refused": self.count(State.REFUSED),
            "failed": self.count(State.FAILED),
            "unknown": self.count(State.UNKNOWN),
            "skipped": self.count(State.SKIPPED),
            "waiting": self.count(State.WAITING),
        }
        return {"total": self.cached + sum(self.count(state) for state in State), **counts}

    def usd(self) -> dict[str, Json]:
        """The ``usd`` object of the summary."""
        return {"spent": to_usd(self.spent), "unknown": to_usd(self.unknown), "saved": to_usd(self.saved)}
