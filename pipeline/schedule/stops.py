"""What stops a lane or everything, and how a person asks for it."""

from dataclasses import dataclass
from typing import Literal

import anyio

from pipeline.domain.errors import (
    BudgetReached,
    InputFault,
    KeyRefused,
    MachineError,
    NetworkDown,
    NoFunds,
    NotStarted,
    OutcomeUnknown,
    PipelineError,
    ProviderError,
    QuotaGone,
    Refused,
)

Cause = Literal[
    "signal",
    "machine",
    "fault",
    "key",
    "funds",
    "quota",
    "network",
    "budget",
    "deadline",
    "failures",
    "unknown",
    "fast",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRules:
    """When a provider that keeps failing is left alone; fail_fast: the first failure stops everything."""

    failures_in_a_row: int = 20
    unknown_in_a_row: int = 5
    fail_fast: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStop:
    """Why nothing more was started. lane: empty when everywhere. exit: the status it asks for."""

    lane: str
    cause: Cause
    why: str
    exit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResult:
    """How a schedule ended. started: works handed to the executor. cut: a second signal cancelled the rest."""

    stops: tuple[LaneStop, ...]
    started: int
    cut: bool

    @property
    def exits(self) -> tuple[int, ...]:
        """The statuses asked for; which one wins is the contract's table's to say."""
        return tuple(dict.fromkeys(stop.exit for stop in self.stops))


SAME_SIGNAL = 0.3
"""Seconds: make forwards a signal that the terminal has already sent to the whole group; both are one wish."""


class Stop:
    """A person's wish to stop: once in order, twice at once. May be asked before the schedule runs."""

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.insisted = anyio.Event()
        self.why = ""
        self.exit = 130
        self._at = 0.0

    def request(self, why: str, *, exit: int = 130) -> None:  # noqa: A002 - the contract's word for the status
        """Asks once, or insists. exit: 130 for SIGINT, 143 for SIGTERM; the first one counts."""
        now = anyio.current_time()
        if not self.asked.is_set():
            self.why, self.exit, self._at = why, exit, now
            self.asked.set()
        elif now - self._at >= SAME_SIGNAL:
            self.insisted.set()


BOUNDS_OF_ONE = frozenset({"per_asset", "max_exposure", "unpriced"})
"""Budgets that hold back one asset or one model's request; the others of its lane may well fit."""


class Streak:
    """How a lane's last endings went in a row: what brought nothing, and what is unknown."""

    def __init__(self, rules: StopRules) -> None:
        self._rules = rules
        self._failures = 0
        self._unknowns = 0

    def count(self, error: PipelineError | None) -> tuple[Cause, str, int] | None:
        """Counts one ending; gives cause, reason and exit status when it was one too many.

        A picture and a refusal both prove that the provider works. What never reached it (an input, a budget, a
        stop) says nothing. An unknown outcome counts as both.
        """
        match error:
            case None | Refused():
                self._failures = self._unknowns = 0
            case OutcomeUnknown():
                self._failures += 1
                self._unknowns += 1
            case ProviderError():
                self._failures += 1
                self._unknowns = 0
            case _:
                return None
        if self._unknowns >= self._rules.unknown_in_a_row:
            return "unknown", f"{self._unknowns} unknown outcomes in a row (stop_on.unknown_in_a_row): {error}", 14
        if self._failures >= self._rules.failures_in_a_row:
            return "failures", f"{self._failures} failures in a row (stop_on.failures_in_a_row): {error}", 11
        return None


def stop_by(error: PipelineError) -> tuple[Cause, str, int] | None:
    """Cause, reason and exit status of the stop that an error by itself means for its lane; None: it means none."""
    match error:
        case MachineError():
            return "machine", str(error), 1
        case KeyRefused():
            return "key", str(error), 3
        case NoFunds():
            return "funds", str(error), 4
        case QuotaGone():
            return "quota", str(error), 4
        case NetworkDown():
            return "network", str(error), 1
        case BudgetReached():
            return "budget", str(error), 12
        case _:
            return None


def is_failure(error: PipelineError | None) -> bool:
    """Whether an ending is a failure for ``--fail-fast``: what was merely not started is none."""
    return isinstance(error, ProviderError | InputFault) and not isinstance(error, NotStarted)
