"""Many callers of an event loop, one visit to a thread: who comes while others are being served goes with the next.

A visit costs more than much of what is done in it: two changes of thread and a hand-over of the interpreter's lock.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Generic, Protocol, TypeVar, cast

import anyio
import anyio.lowlevel

Call = TypeVar("Call")
Answer = TypeVar("Answer")


class Place(Protocol):
    """Where the work is done."""

    def __call__(self, work: Callable[[], None], /) -> Awaitable[None]:
        """Does *work* and returns when it is over."""
        ...


class Turn(Generic[Call, Answer]):
    """One caller's call and what became of it: the work says either `answers` or `fails`."""

    __slots__ = ("_answer", "_error", "call", "done", "woken")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.woken = anyio.Event()
        self.done = False
        self._answer: Answer | None = None
        self._error: BaseException | None = None

    def answers(self, answer: Answer) -> None:
        """The caller gets this."""
        self._answer, self.done = answer, True

    def fails(self, error: BaseException) -> None:
        """The caller's call raises this."""
        self._error, self.done = error, True

    def result(self) -> Answer:
        """What the caller gets. Raises what the call failed with. To be asked once."""
        error, self._error = self._error, None
        try:
            if error is not None:
                raise error
            return cast("Answer", self._answer)
        finally:
            # Its traceback leads back here: what failed, answers in memory and all, would wait for the collector.
            del error


class Group(Generic[Call, Answer]):
    """Does the *work* of many callers together, at one *place*, for at most *most* of them at a time.

    The first caller to come leads: it takes what waits, has it done, and tells the others; who came meanwhile is led by
    one of their own. There is no task to start or stop.
    """

    def __init__(
        self, work: Callable[[Sequence[Turn[Call, Answer]]], None], place: Place, *, most: int | None = None
    ) -> None:
        self._work = work
        self._place = place
        self._most = most
        self._waiting: list[Turn[Call, Answer]] = []
        self._led = False

    async def __call__(self, call: Call) -> Answer:
        """What the work made of *call*; raises what it failed with, or why the work was not done.

        A caller that is cancelled meanwhile still has its call done before it goes: money may hang on it.
        """
        turn: Turn[Call, Answer] = Turn(call)
        self._waiting.append(turn)
        with anyio.CancelScope(shield=True):
            if self._led:
                await self._wait(turn)
            if not turn.done:
                await self._lead()
        return turn.result()

    async def _wait(self, turn: Turn[Call, Answer]) -> None:
        try:
            await turn.woken.wait()
        except BaseException:  # a loop that is shut down heeds no shield
            if turn in self._waiting:
                self._waiting.remove(turn)
                if turn.woken.is_set():
                    self._pass_on()
            raise

    async def _lead(self) -> None:
        """Serves whoever waits longest, the caller first."""
        self._led = True
        turns = [self._waiting.pop(0)]
        try:
            # Whoever is ready in this very turn of the loop travels along.
            await anyio.lowlevel.checkpoint()
            more = None if self._most is None else self._most - 1
            turns += self._waiting[:more]
            del self._waiting[:more]
            await self._place(partial(self._work, turns))
        except BaseException as error:  # noqa: ASYNC103 -- handed to each caller, which raises it
            for turn in turns:
                turn.fails(error)
            if not isinstance(error, Exception):
                raise
        finally:
            for turn in turns:
                turn.woken.set()
            self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting[0].woken.set()
        else:
            self._led = False
