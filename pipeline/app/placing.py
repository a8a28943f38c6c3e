"""Every asset that reaches its end: its copy is put into the output tree, its row into the ledger, its event told.

The frontier reports ends synchronously; they are taken from a queue in batches, so that a finished manifest of ten
thousand assets costs a stat call and a comparison each, and a bought picture is placed within a moment.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import anyio

from pipeline.changing import Change
from pipeline.domain.errors import MachineError, PipelineError
from pipeline.domain.event import AssetSettled, Note
from pipeline.domain.image import Image
from pipeline.domain.record import AssetRow, AttemptId, Placement, RunId, Slot, Space, State
from pipeline.domain.step import AssetName
from pipeline.ledger import Committer, Ledger
from pipeline.plan import Settled
from pipeline.ports import Blocking, Clock, Recorder
from pipeline.store import DamagedImage, Tree, Unsynced, has_stamp

BATCH = 500
"""Ends recorded together."""

TROUBLE = 1000
"""Missing assets that are kept for the summary."""

QUIET = frozenset({State.DONE, State.PLANNED})
"""States that are no trouble: there, or simply left for the next run."""

HELD = frozenset({State.REFUSED, State.UNKNOWN})
"""States that an earlier run may have left: nothing is asked, and why is what its attempt said."""

SHOWN = frozenset({State.DONE, State.FAILED})
"""States whose picture is put into the output tree."""


@dataclass(slots=True, kw_only=True)
class Placing:
    """A queue of ends and the one task that empties it.

    space_of: by provider, at the time the end is recorded. xmp: copies carry the stamp that says what they are.
    trouble: rows of assets that are not there, the first thousand of them; everything else is in the ledger.
    """

    output: Path
    manifest: str
    run_id: RunId
    tree: Tree
    ledger: Ledger
    committer: Committer
    blocking: Blocking
    clock: Clock
    recorder: Recorder
    space_of: Callable[[str], Space]
    xmp: bool = False
    queue: deque[Settled] = field(default_factory=deque)
    trouble: list[AssetRow] = field(default_factory=list)
    fault: MachineError | None = None
    closing: bool = False
    _now: datetime = field(init=False)
    _known: dict[str, Placement] = field(default_factory=dict)
    _said: dict[AttemptId, str] = field(default_factory=dict)
    _changed: Change = field(default_factory=Change)
    _shorter: Change = field(default_factory=Change)

    def settled(self, end: Settled) -> None:
        """Takes an end; neither waits nor raises."""
        self.queue.append(end)
        self._changed.tell()

    @property
    def is_short(self) -> bool:
        """Whether the queue holds little: more may be put into it for which nobody waits."""
        return len(self.queue) < BATCH

    async def room(self) -> None:
        """Waits until the queue is short again, so that a plan is never held in it. Raises what a write failed with."""
        while len(self.queue) > 4 * BATCH and self.fault is None:
            await self._shorter.wait()
        if self.fault is not None:
            raise self.fault

    async def work(self) -> None:
        """Empties the queue until `close` was called and it is empty."""
        while self.queue or not self.closing:
            if not self.queue:
                await self._changed.wait()
                continue
            batch = [self.queue.popleft() for _ in range(min(BATCH, len(self.queue)))]
            with anyio.CancelScope(shield=True):
                await self._record(batch)
            self._shorter.tell()

    def close(self) -> None:
        """No more ends will come."""
        self.closing = True
        self._changed.tell()

    async def _record(self, batch: list[Settled]) -> None:
        """Places and writes down a batch; a fault of the machine is kept and told, for answers are still on their way
        and nothing here may cut them off."""
        self._now = self.clock.now()
        try:
            recorded = await self._placed(batch)
        except MachineError as error:
            self.fault = self.fault or error
            recorded = [(self._row(end, self._space(end), ""), "") for end in batch]
        for end, (row, note) in zip(batch, recorded, strict=True):
            if row.state not in QUIET and len(self.trouble) < TROUBLE:
                self.trouble.append(row)
            self._tell(end, row, note)

    async def _placed(self, batch: list[Settled]) -> list[tuple[AssetRow, str]]:
        """Rows and notes of a batch whose copies are in place and written down. Raises MachineError."""
        placed = await self.blocking(lambda: self._place_all(batch))
        rows = [row for row, _, _ in placed]
        placements = [placement for _, placement, _ in placed if placement is not None]

        def record(ledger: Ledger) -> None:
            ledger.record_assets(rows)
            if placements:
                ledger.placements.record(placements)

        try:
            await self.committer.do(record)
        except MachineError as error:
            self.fault = self.fault or error
        return [(row, note) for row, _, note in placed]

    def _place_all(self, batch: list[Settled]) -> list[tuple[AssetRow, Placement | None, str]]:
        """Copies of a batch, each folder synced once. Blocks. Raises MachineError."""
        wanted = [self._wanted(end) for end in batch]
        stems = [stem for stem in wanted if stem]
        slots = [slot for end in batch if (slot := _held_by(end)) is not None]
        self._known = self.ledger.placements.named(stems) if stems else {}
        self._said = {
            row.attempt_id: row.message for slot in slots for row in self.ledger.attempts(attempt_id=slot.attempt_id)
        }
        folders = Unsynced()
        placed = [self._place(end, stem, folders) for end, stem in zip(batch, wanted, strict=True)]
        folders.sync()
        return placed

    def _tell(self, end: Settled, row: AssetRow, note: str) -> None:
        if note:
            self.recorder(Note(text=note))
        self.recorder(
            AssetSettled(
                asset=row.asset,
                shot=row.shot,
                state=row.state,
                reason=row.reason,
                cached=end.cached,
                asked=end.entry.asks,
                path=row.path,
                usd=row.usd,
                warnings=() if end.cached else row.warnings,
            )
        )

    def _space(self, end: Settled) -> Space:
        return self.space_of(end.entry.recipe.provider)

    def _wanted(self, end: Settled) -> str:
        """Where its picture goes, relative to the output folder and without extension; empty where it has none."""
        entry = end.entry
        return "" if _shown(end) is None else f"{self.manifest}/{entry.cell.place(entry.candidate, entry.depth)}"

    def _place(self, end: Settled, stem: str, folders: Unsynced) -> tuple[AssetRow, Placement | None, str]:
        """Puts the picture where it belongs; what cannot be placed is safe in the store and told. Blocks."""
        space = self._space(end)
        path, placement, note = "", None, ""
        image = _shown(end)
        if image is not None:
            wanted = self._path(stem, space)
            found = self._untouched(wanted, image)
            if found is not None:
                path = found.path
            else:
                path, placement, note = self._put(end.asset, image, space, wanted, folders)
        return self._row(end, space, path), placement, note

    def _path(self, wanted: str, space: Space) -> str:
        """Relative to the output folder; a rehearsal's picture lies beside a paid one, never in its place."""
        if not space:
            return wanted
        paid = any(
            placement.space == "" for path in self.tree.candidates(wanted) if (placement := self._known.get(path))
        )
        return f"{wanted}.{space}" if paid else wanted

    def _untouched(self, wanted: str, image: Image) -> Placement | None:
        """The copy that is there already and looks as we left it; one stat call."""
        for path in self.tree.candidates(wanted, image.facts.format):
            placement = self._known.get(path)
            if placement is None or placement.digest != image.digest or has_stamp(placement, image) != self.xmp:
                continue
            try:
                status = (self.output / path).stat(follow_symlinks=False)
            except OSError:
                return None
            if status.st_size == placement.size and status.st_mtime_ns == placement.mtime_ns:
                return placement
        return None

    def _put(
        self, asset: AssetName, image: Image, space: Space, wanted: str, folders: Unsynced
    ) -> tuple[str, Placement | None, str]:
        known = [placement for path in self.tree.candidates(wanted) if (placement := self._known.get(path))]
        try:
            placed = self.tree.place(
                image, wanted, space=space, asset=asset, known=known, xmp=self.xmp, sync=folders.add
            )
        except DamagedImage as error:
            # One picture's trouble: the others go on, and the next `verify --repair` mends it or asks for it again.
            return "", None, f"{asset}: {error} (`pipeline verify --repair`)"
        except MachineError as error:
            self.fault = self.fault or error
            return "", None, str(error)
        except PipelineError as error:
            return "", None, str(error)
        return placed.path, placed.placement, placed.note

    def _row(self, end: Settled, space: Space, path: str) -> AssetRow:
        entry, held = end.entry, _held_by(end)
        cell, candidate, depth = entry.cell, entry.candidate, entry.depth
        said = self._said.get(held.attempt_id, "") if held else ""
        return AssetRow(
            manifest=self.manifest,
            space=space,
            asset=cell.asset(candidate, depth),
            shot=cell.shot,
            axes=cell.axes,
            step_id=cell.plan.step_ids[depth],
            depth=depth,
            candidate=candidate,
            parent=cell.asset(candidate, depth - 1) if depth else None,
            model_alias=entry.recipe.alias,
            key=end.key,
            state=end.state,
            reason=held.reason if held else end.reason,
            image=end.image,
            path=path.removeprefix(f"{self.manifest}/"),
            usd=end.usd,
            warnings=(said,) if said else end.warnings,
            run_id=self.run_id,
            updated_at=self._now,
        )


def _shown(end: Settled) -> Image | None:
    """The picture that is put into the output tree."""
    return end.image if end.state in SHOWN else None


def _held_by(end: Settled) -> Slot | None:
    """What the ledger has of an asset that an earlier run left refused or unknown; None for every other."""
    is_found = end.state in HELD and not end.entry.asks
    return end.entry.slot if is_found else None
