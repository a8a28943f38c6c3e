"""Many callers, one visit: in turn, never too many at a time, each with its own end, and nobody is forgotten."""

import asyncio  # noqa: TID251 - a loop that throws its tasks out heeds no shield of anyio's
import gc
import weakref
from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
import pytest

from pipeline.grouping import Group, Turn

pytestmark = pytest.mark.anyio


class Desk:
    """Doubles numbers, a negative one is refused. visits: the calls of each visit. trouble: what a visit raises."""

    def __init__(self) -> None:
        self.visits: list[list[int]] = []
        self.trouble: dict[int, BaseException] = {}

    def work(self, turns: Sequence[Turn[int, int]]) -> None:
        self.visits.append([turn.call for turn in turns])
        if error := self.trouble.get(len(self.visits)):
            raise error
        for turn in turns:
            if turn.call < 0:
                turn.fails(ValueError(str(turn.call)))
            else:
                turn.answers(2 * turn.call)

    async def place(self, work: Callable[[], None]) -> None:
        await anyio.sleep(0.005)
        work()


async def outcomes(group: Group[int, int], calls: Sequence[int]) -> dict[int, int | BaseException]:
    found: dict[int, int | BaseException] = {}

    async def one(call: int) -> None:
        try:
            found[call] = await group(call)
        except Exception as error:  # noqa: BLE001 -- told as it is
            found[call] = error

    async with anyio.create_task_group() as tasks:
        for call in calls:
            tasks.start_soon(one, call)
    return found


@pytest.mark.parametrize("most", [None, 1, 3, 7, 100])
async def test_every_caller_gets_its_own_answer_in_the_order_of_coming(most: int | None) -> None:
    desk = Desk()
    group = Group(desk.work, desk.place, most=most)
    assert await outcomes(group, range(20)) == {number: 2 * number for number in range(20)}
    assert [call for visit in desk.visits for call in visit] == list(range(20))
    assert max(map(len, desk.visits)) <= (most or 20)
    assert len(desk.visits) == -(-20 // min(most or 20, 20))
    assert await group(50) == 100, "who comes later is served as well"


async def test_who_comes_during_a_visit_goes_with_the_next() -> None:
    desk = Desk()
    group = Group(desk.work, desk.place)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group, 1)
        await anyio.sleep(0.002)
        for number in range(2, 6):
            tasks.start_soon(group, number)
    assert desk.visits == [[1], [2, 3, 4, 5]]


async def test_one_that_fails_fails_alone_and_a_visit_that_fails_fails_its_own() -> None:
    desk = Desk()
    desk.trouble[2] = OSError("no work today")
    group = Group(desk.work, desk.place, most=3)
    found = await outcomes(group, [1, -2, 3, 4, 5, 6, 7, 8])
    assert {call: end for call, end in found.items() if isinstance(end, int)} == {1: 2, 3: 6, 7: 14, 8: 16}
    assert [type(found[call]) for call in (-2, 4, 5, 6)] == [ValueError, OSError, OSError, OSError]


async def test_a_caller_that_is_cancelled_is_served_first() -> None:
    desk = Desk()
    group, ended = Group(desk.work, desk.place, most=2), list[int]()

    async def one(number: int) -> None:
        await group(number)
        ended.append(number)
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(one, number)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert ended == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("whom", range(5))
@pytest.mark.parametrize("when", [0, 0.002, 0.007])
async def test_a_caller_that_the_loop_throws_out_leaves_the_others_their_turn(whom: int, when: float) -> None:
    desk = Desk()
    group = Group(desk.work, desk.place, most=2)
    tasks = [asyncio.create_task(group(number)) for number in range(5)]
    await asyncio.sleep(when)
    tasks[whom].cancel()
    tasks.append(asyncio.create_task(group(50)))
    _, left = await asyncio.wait(tasks, timeout=2)
    for task in left:
        task.cancel()
    assert not left
    ends = [task.cancelled() or task.result() for task in tasks]
    assert ends.count(True) <= 2, "but for those who were on the visit that it led"
    assert [end for end in ends[:5] if end is not True] == [
        2 * number for number, end in enumerate(ends[:5]) if end is not True
    ]
    assert ends[5] == 100


async def test_what_failed_is_gone_with_its_caller() -> None:
    """A traceback that led back to its turn would keep answers in memory until the collector comes."""

    class Call:
        pass

    def work(turns: Sequence[Turn[Call, None]]) -> None:
        for turn in turns:
            try:
                raise ValueError("of no use")
            except ValueError as error:
                turn.fails(error)

    async def inline(work: Callable[[], None]) -> None:
        work()

    async def failing(call: Call) -> None:
        with pytest.raises(ValueError, match="no use"):
            await group(call)

    group = Group(work, inline)
    call = Call()
    seen = weakref.ref(call)
    gc.disable()
    try:
        await failing(call)
        del call
        await anyio.lowlevel.checkpoint()
        assert seen() is None
    finally:
        gc.enable()
