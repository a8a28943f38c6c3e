"""The world a command runs in: environment, time, machine, and which output folder is meant."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from pipeline.domain.errors import UserError
from pipeline.ports import Blocking

T = TypeVar("T")

STATE_FOLDER = ".pipeline"


class WallClock:
    """Written time: the machine's clock in UTC."""

    def now(self) -> datetime:
        """The present, with its zone."""
        return datetime.now(UTC)


async def in_thread(work: Callable[[], T]) -> T:
    """Does blocking work in a worker thread; a cancelled caller waits for its end: no write is left half-way."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=False)


def own_thread() -> Blocking:
    """A worker thread apart, for one work at a time: what a request waits for does not queue behind large answers."""
    limiter = anyio.CapacityLimiter(1)

    async def place(work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=False, limiter=limiter)

    return place


async def inline(work: Callable[[], T]) -> T:
    """Does blocking work at once: for virtual-time tests, where threads make the clock jump."""
    return work()


def boot_id() -> str:
    """Names this boot of this machine: what was not synced before another boot is no evidence."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"{socket.gethostname()}-unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a command takes from outside. environ is read nowhere else."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    clock: WallClock = field(default_factory=WallClock)
    host: str = field(default_factory=socket.gethostname)
    boot: str = field(default_factory=boot_id)


def output_of(manifest: Path, output: Path | None) -> Path:
    """The output folder of a manifest: as told, else ``output/`` beside its ``jobs/`` folder or beside itself."""
    if output is not None:
        return output.absolute()
    folder = manifest.absolute().parent
    return (folder.parent if folder.name == "jobs" else folder) / "output"


def output_around(start: Path, output: Path | None) -> Path:
    """The output folder for a command that names no manifest: as told, else the one *start* lies in, else ./output.

    Raises UserError when there is no ledger there.
    """
    if output is not None:
        return output.absolute()
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / STATE_FOLDER).is_dir():
            return folder
        if (folder / "output" / STATE_FOLDER).is_dir():
            return folder / "output"
    raise UserError(f"{start}: no output folder with a ledger here or above (name it with --output DIR)")
