"""Which folder holds what under one output folder; the whole of it may be moved."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.domain.errors import MachineError
from pipeline.domain.temporary import temporary_name
from pipeline.store import durable

STATE: Final = ".pipeline"
"""The folder that is ours alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders under *output*. `make` creates them; nothing else here touches the disk."""

    output: Path

    @property
    def state(self) -> Path:
        """Everything that is ours alone (mode 0700)."""
        return self.output / STATE

    @property
    def ledger(self) -> Path:
        """The SQLite file."""
        return self.state / "ledger.db"

    @property
    def images(self) -> Path:
        """Images by digest."""
        return self.state / "images"

    @property
    def spool(self) -> Path:
        """The flight recorder."""
        return self.state / "spool"

    @property
    def receipts(self) -> Path:
        """What was bought, one file an attempt."""
        return self.state / "receipts"

    @property
    def quarantine(self) -> Path:
        """Bodies that were paid for and cannot be used."""
        return self.state / "quarantine"

    @property
    def inputs(self) -> Path:
        """Private copies of input files and what is sent instead of them."""
        return self.state / "inputs"

    def make(self) -> None:
        """Creates every folder, the private ones with mode 0700, durably. Idempotent.

        Raises DiskFull, or MachineError for a folder that cannot be made or written to.
        """
        private = (self.images, self.spool, self.receipts, self.quarantine, self.inputs)
        with durable.told(self.output, "cannot make the output folder"):
            self.output.mkdir(parents=True, exist_ok=True)
        for place in (self.state, *private):
            with durable.told(place, "cannot make this folder"):
                place.mkdir(mode=0o700, exist_ok=True)
        with durable.told(self.output, "cannot be synced"):
            for place in (self.output, self.state):
                with durable.folder(place, follow=True) as fd:
                    durable.sync_folder(fd)
        for place in private:
            _probe(place)


def _probe(place: Path) -> None:
    """Writes, syncs, renames and removes a file: a folder that cannot keep what is paid for is found before paying."""
    name, other = temporary_name(), temporary_name()
    with durable.told(place, "cannot be written to (correct its permissions, or choose another --output)"):
        if not os.access(place, os.W_OK | os.X_OK):
            raise MachineError(f"{place}: cannot be written to (correct its permissions, or choose another --output)")
        with durable.folder(place, follow=True) as fd:
            durable.write_whole(name, b"probe", inside=fd, mode=0o600)
            os.rename(name, other, src_dir_fd=fd, dst_dir_fd=fd)
            os.unlink(other, dir_fd=fd)
