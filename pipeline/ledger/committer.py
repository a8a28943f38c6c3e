"""Group commits: many callers of an event loop, one transaction, one fsync; each is told only after it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

import anyio
import anyio.lowlevel
import anyio.to_thread

from pipeline.ledger.ledger import Ledger

T = TypeVar("T")


class Place(Protocol):
    """Where a transaction is executed."""

    def __call__(self, transaction: Callable[[], None]) -> Awaitable[None]:
        """Executes *transaction* and returns when it is over."""
        ...


def in_thread() -> Place:
    """A worker thread, one transaction at a time: an fsync never holds up the loop."""
    limiter = anyio.CapacityLimiter(1)
    return lambda transaction: anyio.to_thread.run_sync(transaction, limiter=limiter)


async def inline(transaction: Callable[[], None]) -> None:
    """The event loop itself, for virtual time (where a thread would make the clock jump)."""
    transaction()


class _Call(Generic[T]):
    """One caller's operation and what became of it."""

    __slots__ = ("answer", "done", "error", "operation", "woken")

    def __init__(self, operation: Callable[[Ledger], T]) -> None:
        self.operation = operation
        self.woken = anyio.Event()
        self.done = False
        self.answer: T | None = None
        self.error: BaseException | None = None

    def fail(self, error: BaseException) -> None:
        self.done, self.answer, self.error = True, None, error


class Committer:
    """Executes writing operations of many callers together.

    The first caller to come leads: it takes everything that waits, executes it as one transaction (each operation in
    a savepoint of its own, so that one that fails undoes itself alone), and tells the others after the commit; who
    came meanwhile is led by one of their own. There is no task to start or stop.
    """

    def __init__(self, ledger: Ledger, *, place: Place | None = None) -> None:
        self._ledger = ledger
        self._place = place or in_thread()
        self._waiting: list[_Call[object]] = []
        self._led = False

    async def do(self, operation: Callable[[Ledger], T]) -> T:
        """What *operation* gives back, once it is durable; raises what it raised, or why there was no commit.

        A caller that is cancelled meanwhile still has its operation committed before it goes: money may hang on it.
        """
        call = _Call(operation)
        self._waiting.append(cast("_Call[object]", call))
        with anyio.CancelScope(shield=True):
            if self._led:
                await call.woken.wait()
            if not call.done:
                await self._lead()
        if call.error is not None:
            raise call.error
        return cast("T", call.answer)

    async def _lead(self) -> None:
        self._led = True
        calls: list[_Call[object]] = []
        try:
            # Whoever is ready in this very turn of the loop travels along.
            await anyio.lowlevel.checkpoint()
            calls, self._waiting = self._waiting, []
            await self._place(partial(self._commit, calls))
        except BaseException as error:  # noqa: ASYNC103 -- handed to each caller, which raises it
            for call in calls:
                call.fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            for call in calls:
                call.woken.set()
            if self._waiting:
                self._waiting[0].woken.set()
            else:
                self._led = False

    def _commit(self, calls: list[_Call[object]]) -> None:
        with self._ledger.together():
            for call in calls:
                try:
                    with self._ledger.together():
                        call.answer = call.operation(self._ledger)
                    call.done = True
                except Exception as error:  # noqa: BLE001 - it is handed to the caller whose operation it was
                    call.fail(error)
