"""SIGINT and SIGTERM as wishes of a person: in order where something is paid for, at once where nothing is."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskStatus

from pipeline.domain.errors import Interrupted
from pipeline.schedule import Stop


@asynccontextmanager
async def signals(stop: Stop) -> AsyncIterator[None]:
    """SIGINT and SIGTERM become wishes to stop: the first in order, the second at once."""
    async with anyio.create_task_group() as tasks:
        # Whoever is told that we wait may send a signal at once: it must not meet the default handler.
        await tasks.start(_listen, stop)
        yield
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def until_asked(stop: Stop) -> AsyncIterator[None]:
    """Leaves its block at the first signal, for nothing in it has been paid for. Raises Interrupted."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel, scope, stop)
            yield
            tasks.cancel_scope.cancel()
    if scope.cancelled_caught:
        raise Interrupted(f"{stop.why} before anything was asked", stop.exit)


async def _cancel(scope: anyio.CancelScope, stop: Stop) -> None:
    await stop.asked.wait()
    scope.cancel()


async def _listen(stop: Stop, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        task_status.started()
        async for number in received:
            name, status = ("interrupted", 130) if number == signal.SIGINT else ("terminated", 143)
            stop.request(name, exit=status)
