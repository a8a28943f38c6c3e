"""While answers are awaited, later cells are looked at; a request never waits for what that brings."""

from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import anyio

from pipeline.app.buying import LOOK, _lane


class Desk:
    """A frontier, a queue of copies that is full after one look, and a pacer whose seat comes a moment later."""

    def __init__(self, *, strokes: int, seat_after: float) -> None:
        self.left = strokes
        self.seat_after = seat_after
        self.looks: list[tuple[str, int]] = []
        self.is_short = True

    def pull(self, lane: str) -> bool:
        return False

    def look_ahead(self, lane: str, cells: int) -> bool:
        if not self.left:
            return False
        self.left -= 1
        self.looks.append((lane, cells))
        self.is_short = False
        return True

    async def room(self) -> None:
        if not self.is_short:
            await anyio.sleep(60)

    def has_seat(self) -> bool:
        return anyio.current_time() >= self.seat_after

    async def seat(self) -> AbstractContextManager[object]:
        await anyio.sleep(max(0.0, self.seat_after - anyio.current_time()))
        return nullcontext()

    def close(self, why: str) -> None:
        raise AssertionError(why)

    def seconds(self) -> float:
        return 0.0


def seated(desk: Desk) -> float:
    """Seconds after the seat came free until it was taken."""

    async def main() -> float:
        desk.seat_after += anyio.current_time()
        counter = cast("Any", SimpleNamespace(spec=SimpleNamespace(name="paid"), pacer=desk))
        with anyio.fail_after(5):
            with await _lane(cast("Any", desk), cast("Any", desk), counter).seats():
                return anyio.current_time() - desk.seat_after

    return anyio.run(main)


def test_a_seat_is_taken_at_once_although_copies_are_still_made() -> None:
    desk = Desk(strokes=3, seat_after=0.1)
    assert seated(desk) < 1
    assert desk.looks == [("paid", LOOK)], "no more while the copies of the first look are made"


def test_with_a_seat_free_nothing_is_looked_at_beforehand() -> None:
    desk = Desk(strokes=3, seat_after=0.0)
    seated(desk)
    assert desk.looks == []


def test_when_everything_was_looked_at_only_the_seat_is_waited_for() -> None:
    desk = Desk(strokes=0, seat_after=0.1)
    assert seated(desk) < 1
    assert desk.looks == []
