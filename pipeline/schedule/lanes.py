"""What a schedule is given: a source of work, an executor's endings, and a lane for each provider."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pipeline.domain.errors import PipelineError

W = TypeVar("W")
O = TypeVar("O")  # noqa: E741 - an outcome, beside a work
O_co = TypeVar("O_co", covariant=True)
O_contra = TypeVar("O_contra", contravariant=True)


class WorkSource(Protocol[W, O_contra]):
    """What there is to do, in order. Never waits, never looks at a clock.

    A work that was handed out and never finished was not done: its assets stay planned.
    """

    def next(self, lane: str) -> W | None:
        """The best work that can start at this lane now; None when there is none at the moment."""
        ...

    def finished(self, work: W, outcome: O_contra) -> None:
        """Takes a work's outcome back, which may make others ready, in any lane."""
        ...

    def stop(self, lane: str) -> None:
        """Nothing more starts at this lane; what other lanes only shared with it may become theirs to do."""
        ...

    def is_done(self, lane: str) -> bool:
        """Whether this lane can surely never have more to do. False where it is not known."""
        ...


@dataclass(frozen=True, kw_only=True)  # no slots: `Ended[str](...)` fails on a frozen slotted generic
class Ended(Generic[O_co]):
    """How a work ended. outcome: for the source, unread. error: what the provider or the machine said last, if it
    said no. failed: some asset of it is refused, failed or unknown (also without an error, as `opaque`).
    """

    outcome: O_co
    error: PipelineError | None = None
    failed: bool = False


Execute = Callable[[W], Awaitable[Ended[O]]]


def _no_close(why: str) -> None:
    """Nothing to close."""


async def _no_seats() -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The works of one provider. name: the provider's.

    workers: works open at once at most, those that wait for a retry included; they are made on demand.
    seats: waits until another work should be taken up. close: told why, lets nothing more start (also waiting ones).
    expected: seconds that a work takes once it starts.
    """

    name: str
    workers: int = 256
    seats: Callable[[], Awaitable[AbstractContextManager[object]]] = _no_seats
    close: Callable[[str], None] = _no_close
    expected: Callable[[], float] = lambda: 0.0
