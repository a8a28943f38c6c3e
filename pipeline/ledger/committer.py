"""Group commits: many callers of an event loop, one transaction, one fsync; each is told only after it."""

from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import anyio
import anyio.to_thread

from pipeline.grouping import Group, Place, Turn
from pipeline.ledger.ledger import Ledger

T = TypeVar("T")


def in_thread() -> Place:
    """A worker thread, one transaction at a time: an fsync never holds up the loop."""
    limiter = anyio.CapacityLimiter(1)
    return lambda transaction: anyio.to_thread.run_sync(transaction, limiter=limiter)


async def inline(transaction: Callable[[], None]) -> None:
    """The event loop itself, for virtual time (where a thread would make the clock jump)."""
    transaction()


class Committer:
    """Executes writing operations of many callers together: one transaction, each operation in a savepoint of its own,
    so that one that fails undoes itself alone.
    """

    def __init__(self, ledger: Ledger, *, place: Place | None = None) -> None:
        self._ledger = ledger
        self._group: Group[Callable[[Ledger], object], object] = Group(self._commit, place or in_thread())

    async def do(self, operation: Callable[[Ledger], T]) -> T:
        """What *operation* gives back, once it is durable; raises what it raised, or why there was no commit.

        A caller that is cancelled meanwhile still has its operation committed before it goes.
        """
        return cast("T", await self._group(operation))

    def _commit(self, turns: Sequence[Turn[Callable[[Ledger], object], object]]) -> None:
        with self._ledger.together():
            for turn in turns:
                try:
                    with self._ledger.together():
                        turn.answers(turn.call(self._ledger))
                except Exception as error:  # noqa: BLE001 - it is handed to the caller whose operation it was
                    turn.fails(error)
