"""`verify`, `gc` and `prune` with everything they need opened, the writing ones under the run lock."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import anyio

from pipeline.app.desk import load_manifest, open_reading
from pipeline.app.locking import take_lock
from pipeline.app.nightly.sidecar import remove_sidecar
from pipeline.app.options import Choice
from pipeline.app.shop import open_for_writing
from pipeline.app.world import World, in_thread, output_of
from pipeline.domain.errors import LedgerFault
from pipeline.domain.record import Placement
from pipeline.ledger import Ledger, open_ledger
from pipeline.ports import Recorder
from pipeline.store import FileStore, Places, Receipts, Spool, Tree
from pipeline.upkeep.clearing import Garbage, collect, garbage, prune, unclaimed
from pipeline.upkeep.fault import Fault, Kind
from pipeline.upkeep.rebuilding import Rebuilder, Rebuilt
from pipeline.upkeep.repairing import Mended, Repairer
from pipeline.upkeep.verifying import Verifier

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """Upkeep of one output folder."""

    places: Places
    world: World
    recorder: Recorder
    wait: bool = False

    def verify(self) -> tuple[Fault, ...]:
        """Everything that is not as it should be; reads only, also while a run writes. Blocks."""
        try:
            with self._reading() as ledger:
                return tuple(self._verifier(ledger).faults())
        except LedgerFault as error:
            return (Fault(kind=Kind.LEDGER, text=str(error), path=str(self.places.ledger)),)

    def repair(self) -> tuple[Mended, ...]:
        """Verifies and mends. Blocks. Raises LedgerBusy, LedgerFault."""
        return self._locked("verify --repair", self._repair)

    def _repair(self) -> tuple[Mended, ...]:
        with open_for_writing(self.places, self.world) as ledger:
            repairer = Repairer(
                verifier=self._verifier(ledger),
                output=self.places.output,
                quarantine=self.places.quarantine,
                receipts=Receipts(self.places.receipts),
                tree=self._tree(),
            )
            return tuple(repairer.repair())

    def rebuild(self) -> Rebuilt:
        """Makes the ledger anew from receipts and images; an old one is moved aside, never removed. Blocks."""
        return self._locked("verify --rebuild", self._rebuild)

    def _rebuild(self) -> Rebuilt:
        self.places.make()
        self._move_aside()
        with self._writing() as ledger:
            return Rebuilder(
                ledger=ledger,
                store=FileStore(self.places.images),
                receipts=Receipts(self.places.receipts),
                spool=Spool(self.places.spool, self.places.quarantine),
                tree=self._tree(),
                output=self.places.output,
                boot_id=self.world.boot,
                now=self.world.clock.now(),
            ).rebuild()

    def _move_aside(self) -> None:
        stamp = f"{self.world.clock.now():%Y%m%dT%H%M%S}"
        for suffix in ("", "-wal", "-shm"):
            old = self.places.ledger.with_name(self.places.ledger.name + suffix)
            if old.exists():
                old.replace(old.with_name(f"ledger-before-{stamp}.db{suffix}"))

    def garbage(self, days: float, *, paid: bool) -> tuple[Garbage, ...]:
        """Images that nothing refers to, older than so many days; paid ones only when asked for. Blocks."""
        before = self.world.clock.now() - timedelta(days=days)
        with self._reading() as ledger:
            return tuple(item for item in garbage(ledger, before) if paid or not item.paid)

    def collect(self, days: float, *, paid: bool) -> int:
        """Removes them. Blocks. Raises LedgerBusy."""

        def work() -> int:
            before = self.world.clock.now() - timedelta(days=days)
            with open_for_writing(self.places, self.world) as ledger:
                found = [item for item in garbage(ledger, before) if paid or not item.paid]
                spool = Spool(self.places.spool, self.places.quarantine)
                return collect(ledger, FileStore(self.places.images), spool, found, before)

        return self._locked("gc --delete", work)

    def prune(self, manifest: str, wanted: frozenset[str]) -> tuple[list[Placement], list[Placement]]:
        """Removes output files that no wanted asset claims; gives removed and kept ones. Blocks. Raises LedgerBusy."""

        def work() -> tuple[list[Placement], list[Placement]]:
            with open_for_writing(self.places, self.world) as ledger:
                tree, found = self._tree(), list(unclaimed(ledger, manifest, wanted))
                for placement in found:
                    if tree.standing(placement) in {"ours", "missing"}:
                        remove_sidecar(self.places.output / placement.path, placement.digest)
                return prune(ledger, tree, found)

        return self._locked("prune --delete", work)

    def unclaimed(self, manifest: str, wanted: frozenset[str]) -> tuple[Placement, ...]:
        """Output files that no wanted asset claims. Blocks."""
        with self._reading() as ledger:
            return tuple(unclaimed(ledger, manifest, wanted))

    def _locked(self, what: str, work: Callable[[], T]) -> T:
        async def locked() -> T:
            lock = await take_lock(self.places, what, self.world, wait=self.wait, recorder=self.recorder)
            with lock:
                return await in_thread(work)

        return anyio.run(locked)

    def _reading(self) -> Ledger:
        return self._open(write=False)

    def _writing(self) -> Ledger:
        return self._open(write=True)

    def _open(self, *, write: bool) -> Ledger:
        world = self.world
        return open_ledger(self.places.state, write=write, host=world.host, boot_id=world.boot, now=world.clock.now)

    def _tree(self) -> Tree:
        return Tree(self.places.output, FileStore(self.places.images))

    def _verifier(self, ledger: Ledger) -> Verifier:
        return Verifier(
            ledger=ledger,
            store=FileStore(self.places.images),
            receipts=Receipts(self.places.receipts),
            spool=Spool(self.places.spool, self.places.quarantine),
            tree=self._tree(),
        )


def wanted_assets(manifest: Path, output: Path | None, world: World) -> tuple[str, frozenset[str], Places]:
    """A manifest's name, the names of all its assets, and its output folder. Blocks."""
    choice = Choice(manifest=manifest, output=output)
    with ExitStack() as stack:
        desk = open_reading(choice, world, stack)
        names = frozenset(step.asset for cell in desk.plan.cells_in_order() for chain in cell.chains for step in chain)
        return desk.manifest.name, names, desk.places


def places_of(manifest: Path, output: Path | None, world: World) -> tuple[str, Places]:
    """A manifest's name and its output folder."""
    loaded, _ = load_manifest(Choice(manifest=manifest), world)
    return loaded.name, Places(output=output_of(manifest, output))


def serious(faults: Sequence[Fault]) -> bool:
    """Whether anything is wrong that is not a person's own business."""
    from pipeline.upkeep.fault import HARMLESS  # noqa: PLC0415

    return any(fault.kind not in HARMLESS for fault in faults)
