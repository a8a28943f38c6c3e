"""The run lock as commands take it: at once, or waited for."""

import os

import anyio

from pipeline.app.world import World
from pipeline.domain.event import Note
from pipeline.ledger import Holder, RunLock, require_local
from pipeline.ledger.lock import busy
from pipeline.ports import Recorder
from pipeline.store import Places

LOOK_AGAIN = 0.3
"""Seconds between two looks at a lock that is waited for."""


async def take_lock(places: Places, manifest: str, world: World, *, wait: bool, recorder: Recorder) -> RunLock:
    """The lock of an output folder, held for the life of a run.

    Raises LedgerBusy naming the holder (unless it is waited for), MachineError for a folder that cannot be locked.
    """
    require_local(places.output)
    who = holder(manifest, world)
    told = False
    while True:
        taken = RunLock.try_take(places.state, who)
        if isinstance(taken, RunLock):
            return taken
        if not wait:
            raise busy(places.state, taken)
        if not told:
            recorder(Note(text=f"waiting for {taken}"))
            told = True
        await anyio.sleep(LOOK_AGAIN)


def holder(manifest: str, world: World) -> Holder:
    """Who we are, for whoever finds the lock taken."""
    since = world.clock.now().isoformat(timespec="seconds")
    return Holder(pid=os.getpid(), host=world.host, since=since, manifest=manifest)
