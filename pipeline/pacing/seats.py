"""`Seat`: leave to prepare one work for a provider, so that work is taken up only when it is about to start.

Work taken up early is ordered early: a child whose parent has just come would queue behind it. So a schedule takes a
seat before it asks for the next work, and the seat is free again when the work's request reaches the pacer's door or
the work ends without one.
"""

from collections.abc import Callable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self

_SEAT: ContextVar["Seat | None"] = ContextVar("seat", default=None)


class Seat:
    """Entered by the task that does the work; `arrived` finds it there."""

    __slots__ = ("_free", "_token")

    def __init__(self, free: Callable[[], None]) -> None:
        self._free: Callable[[], None] | None = free
        self._token: Token[Seat | None] | None = None

    def leave(self) -> None:
        """Frees the seat; once."""
        if self._free is not None:
            free, self._free = self._free, None
            free()

    def __enter__(self) -> Self:
        self._token = _SEAT.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _SEAT.reset(self._token)
        self.leave()


def arrived() -> None:
    """The work of this task reached the door: its seat is free for another."""
    seat = _SEAT.get()
    if seat is not None:
        seat.leave()
