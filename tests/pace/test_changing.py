"""Waiting for the next change: everybody who waits hears of it, and nobody of one that is past."""

import anyio
import pytest

from pipeline.changing import Change

pytestmark = pytest.mark.anyio


async def test_everybody_who_waits_goes_on_at_the_next_change() -> None:
    change, woken = Change(), list[int]()

    async def wait(number: int) -> None:
        await change.wait()
        woken.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(wait, number)
        await anyio.wait_all_tasks_blocked()
        assert woken == []
        change.tell()
    assert sorted(woken) == [0, 1, 2]


async def test_a_change_that_is_past_wakes_nobody() -> None:
    change = Change()
    change.tell()
    with anyio.move_on_after(0.01) as scope:
        await change.wait()
    assert scope.cancelled_caught


async def test_who_waits_again_waits_for_another_change() -> None:
    change, heard = Change(), list[int]()

    async def listen() -> None:
        for number in range(3):
            await change.wait()
            heard.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        for number in range(3):
            await anyio.wait_all_tasks_blocked()
            assert len(heard) == number
            change.tell()


async def test_one_who_gave_up_waiting_takes_the_news_from_nobody() -> None:
    change, woken = Change(), anyio.Event()

    async def wait() -> None:
        await change.wait()
        woken.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        with anyio.move_on_after(0):
            await change.wait()
        change.tell()
    assert woken.is_set()
