"""The sheet and the index of a manifest, from the ledger's rows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipeline.app.desk import load_manifest, space_of
from pipeline.app.options import Choice
from pipeline.app.overview import write_overview
from pipeline.app.world import World, output_of
from pipeline.domain.digest import Digest
from pipeline.domain.record import AssetRow, AttemptRow
from pipeline.domain.step import AssetName
from pipeline.ledger import Ledger, open_ledger
from pipeline.manifest.model import Manifest
from pipeline.sheet.index import write_index, write_text
from pipeline.sheet.model import SheetData, ShotShape, Story, page_data
from pipeline.store import FileStore, Places

PAGE = "index.html"


def current_rows(manifest: Manifest, ledger: Ledger) -> Iterator[AssetRow]:
    """How every asset of a manifest stands, each in the key space its model's provider has now."""
    spaces = {alias: space_of(manifest.providers[model.provider], ledger) for alias, model in manifest.models.items()}
    for space in sorted(set(spaces.values())):
        for row in ledger.assets(manifest.name, space):
            if spaces.get(row.model_alias) == space:
                yield row


def show_manifest(
    manifest: Manifest, ledger: Ledger, places: Places, world: World, *, page: bool, single_file: bool = False
) -> Path | None:
    """Writes ``index.json`` and with *page* ``index.html``, thumbnails and ``contact-sheet.png``; gives the page.

    Blocks. Raises OSError for a folder that cannot be written.
    """
    folder = places.output / manifest.name
    rows = list(current_rows(manifest, ledger))
    write_index(folder, rows)
    if not page:
        return None
    from pipeline.sheet.render import render  # noqa: PLC0415 -- Jinja and Pillow load when a page is made
    from pipeline.sheet.thumbs import as_data_url, contact_sheet, make_thumbs, thumb_path  # noqa: PLC0415

    shown = Shown(manifest=manifest, ledger=ledger, store=FileStore(places.images))
    made = make_thumbs(folder, shown.pictures(rows))
    thumbs = {digest: thumb_path(digest) for digest in made}
    tiles = [
        (row.asset, folder / thumbs[row.image.digest])
        for row in rows
        if row.image is not None and row.image.digest in thumbs
    ]
    contact_sheet(folder / "contact-sheet.png", tiles)
    if single_file:
        thumbs = {digest: as_data_url(folder / path) for digest, path in thumbs.items()}
    written = write_text(folder / PAGE, render(page_data(shown.sheet(rows, thumbs, world))))
    write_overview(ledger, places)
    return written


def show_again(manifest: Path, output: Path | None, world: World, *, single_file: bool) -> Path:
    """Writes the sheet anew; reads the ledger while a run may write it. Blocks. Raises ManifestError, LedgerFault."""
    loaded, _ = load_manifest(Choice(manifest=manifest), world)
    places = Places(output=output_of(manifest, output))
    with ExitStack() as stack:
        ledger = stack.enter_context(
            open_ledger(places.state, write=False, host=world.host, boot_id=world.boot, now=world.clock.now)
        )
        page = show_manifest(loaded, ledger, places, world, page=True, single_file=single_file)
    assert page is not None
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Gathers what a page shows of one manifest."""

    manifest: Manifest
    ledger: Ledger
    store: FileStore

    def pictures(self, rows: Sequence[AssetRow]) -> dict[Digest, Path]:
        """Every picture that is shown, with the file it is drawn from: the present and the previous one."""
        wanted = {row.image.digest for row in rows if row.image} | {row.previous for row in rows if row.previous}
        found = ((digest, self.store.find(digest)) for digest in wanted)
        return {digest: path for digest, path in found if path is not None}

    def sheet(self, rows: Sequence[AssetRow], thumbs: Mapping[Digest, str], world: World) -> SheetData:
        """The page's data."""
        attempts = self._attempts()
        month = world.clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return SheetData(
            manifest=self.manifest.name,
            file=str(self.manifest.file),
            generated=_latest(rows) or world.clock.now(),
            shots=tuple(self._shape(shot.name) for shot in self.manifest.shots),
            stories=tuple(self._story(row, attempts, thumbs) for row in self._ordered(rows)),
            runs=self.ledger.runs(self.manifest.name, 20),
            month=self.ledger.money_since(month, self.manifest.name),
            unknown=self.ledger.unknown(self.manifest.name),
        )

    def _attempts(self) -> dict[AssetName, list[AttemptRow]]:
        found: dict[AssetName, list[AttemptRow]] = defaultdict(list)
        for attempt in self.ledger.attempts(manifest=self.manifest.name):
            for asset in attempt.assets:
                if len(found[asset]) < 5:
                    found[asset].append(attempt)
        return found

    def _shape(self, name: str) -> ShotShape:
        shot = next(shot for shot in self.manifest.shots if shot.name == name)
        axes = tuple((axis.name, tuple(value.key for value in axis.values)) for axis in shot.axes)
        included = (
            [{value.key for value in values} for values in zip(*shot.include, strict=True)] if shot.include else []
        )
        more = [tuple(sorted(keys - set(axes[at][1]))) for at, keys in enumerate(included)]
        full = tuple((axis, (*keys, *(more[at] if more else ()))) for at, (axis, keys) in enumerate(axes))
        return ShotShape(name=shot.name, axes=full, chain=tuple(step.id for step in shot.chain))

    def _ordered(self, rows: Sequence[AssetRow]) -> list[AssetRow]:
        """In the order of the manifest: shots, then the axes' own order, then candidates, then the chain."""
        place: dict[tuple[str, int, str], int] = {}
        shots = {shot.name: number for number, shot in enumerate(self.manifest.shots)}
        for shot in self.manifest.shots:
            for at, axis in enumerate(shot.axes):
                place.update({(shot.name, at, value.key): number for number, value in enumerate(axis.values)})

        def order(row: AssetRow) -> tuple[int, tuple[int, ...], int, int]:
            keys = tuple(place.get((row.shot, at, key), len(place)) for at, (_, key) in enumerate(row.axes))
            return shots.get(row.shot, len(shots)), keys, row.candidate, row.depth

        return sorted(rows, key=order)

    def _story(
        self, row: AssetRow, attempts: Mapping[AssetName, Sequence[AttemptRow]], thumbs: Mapping[Digest, str]
    ) -> Story:
        parts = self.ledger.parts(row.key) if row.key else None
        given = [digest for _, digest in parts.inputs] if parts else []
        sources = {digest: source for digest in given if (source := self._source(digest))}
        return Story(
            row=row,
            parts=parts,
            attempts=tuple(attempts.get(row.asset, ())),
            thumb=thumbs.get(row.image.digest, "") if row.image else "",
            sources=sources,
            input_thumbs={digest: thumbs[digest] for digest in given if digest in thumbs},
            previous_thumb=thumbs.get(row.previous, "") if row.previous else "",
        )

    def _source(self, digest: Digest) -> str:
        """Where an input came from, as its manifest names it."""
        sources = self.ledger.memory.input_sources(digest)
        if not sources:
            return ""
        name = sources[0][0]
        folder = str(self.manifest.folder) + "/"
        return name.removeprefix(folder)


def _latest(rows: Sequence[AssetRow]) -> datetime | None:
    return max((row.updated_at for row in rows), default=None)
