"""The sheet and the index of a manifest, from the ledger's rows."""

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from pipeline.app.desk import load_manifest, near, space_of
from pipeline.app.options import Choice
from pipeline.app.overview import write_overview
from pipeline.app.timing import month_of
from pipeline.app.world import World, output_of
from pipeline.domain.digest import Digest
from pipeline.domain.record import AssetRow, Listed, RunId, RunRow, Space, State
from pipeline.ledger import Ledger, open_ledger
from pipeline.manifest.model import Manifest, Shot
from pipeline.sheet.index import write_index
from pipeline.sheet.model import SheetData, ShotShape
from pipeline.store import FileStore, Places

Row = TypeVar("Row", AssetRow, Listed)

MOST_SHOWN: Final = 20_000
"""Assets on one page; ``index.json`` has them all. Half of it at most are missing ones."""

MOST_RUNS: Final = 60
"""Runs that can be chosen to compare with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """A run that is about to end: its exit is not in the ledger yet, and the page of that night is to tell it."""

    run_id: RunId
    exit: int


def current_rows(manifest: Manifest, ledger: Ledger) -> Iterator[AssetRow]:
    """How every asset of a manifest stands, each in the key space its model's provider has now."""
    return _current(manifest, ledger, ledger.assets)


def _current(manifest: Manifest, ledger: Ledger, rows_of: Callable[[str, Space], Iterator[Row]]) -> Iterator[Row]:
    spaces = spaces_of(manifest, ledger)
    for space in sorted(set(spaces.values())):
        for row in rows_of(manifest.name, space):
            if spaces.get(row.model_alias) == space:
                yield row


def show_manifest(
    manifest: Manifest,
    ledger: Ledger,
    places: Places,
    world: World,
    *,
    page: bool,
    single_file: bool = False,
    closing: Closing | None = None,
    hurried: Callable[[], bool] = lambda: False,
) -> Path | None:
    """Writes ``index.json``; with *page* also ``index.html`` with its thumbnails, ``contact-sheet.png`` and the page
    over all manifests. Gives the page. Blocks. hurried: once it says so, no more thumbnails are made.

    Raises OSError for a folder that cannot be written, LedgerFault.
    """
    folder = places.output / manifest.name
    in_order = len(set(spaces_of(manifest, ledger).values())) <= 1
    write_index(folder, _current(manifest, ledger, ledger.listed), sorted_by_name=in_order)
    if not page:
        return None
    from pipeline.sheet.writing import write  # noqa: PLC0415 -- Jinja and Pillow load when a page is made

    data = gather(manifest, ledger, places, world, closing=closing)
    written = write(folder, data, _finder(places), single_file=single_file, hurried=hurried)
    write_overview(ledger, places)
    return written


def show_again(
    manifest: Path, output: Path | None, world: World, *, single_file: bool, provider: str | None = None
) -> Path:
    """Writes the sheet anew; reads the ledger while a run may write it. Blocks.

    Raises ManifestError, LedgerFault, OSError.
    """
    loaded, _ = load_manifest(Choice(manifest=manifest, provider=provider), world)
    places = Places(output=output_of(manifest, output))
    with ExitStack() as stack:
        ledger = stack.enter_context(
            open_ledger(places.state, write=False, host=world.host, boot_id=world.boot, now=world.clock.now)
        )
        page = show_manifest(loaded, ledger, places, world, page=True, single_file=single_file)
    assert page is not None
    return page


def gather(
    manifest: Manifest, ledger: Ledger, places: Places, world: World, *, closing: Closing | None = None
) -> SheetData:
    """Everything a page of *manifest* shows, from the ledger. Blocks; memory for `MOST_SHOWN` assets."""
    counts: Counter[State] = Counter()
    rows = _shown(_counted(current_rows(manifest, ledger), counts))
    names = [row.asset for row in rows]
    history = ledger.history
    runs = _runs(ledger, manifest.name, world, closing)
    typed, options = typed_as(manifest.file, places.output)
    return SheetData(
        manifest=manifest.name,
        typed=typed,
        options=options,
        as_of=_latest(rows, runs),
        counts={state: counts[state] for state in State if counts[state]},
        left_out=counts.total() - len(rows),
        shots=tuple(shape_of(shot) for shot in manifest.shots),
        assets=tuple(in_order(manifest, rows)),
        runs=runs,
        month=ledger.money_since(month_of(world.clock.now()), manifest.name),
        total=ledger.money_since(None, manifest.name),
        attempts=history.attempts(manifest.name, names),
        deliveries=history.deliveries(manifest.name, names),
        parts=history.parts(manifest.name, names),
        sources={
            digest: near(source, manifest.folder) for digest, source in history.inputs(manifest.name, names).items()
        },
    )


def typed_as(manifest: Path, output: Path) -> tuple[str, str]:
    """A manifest as it is typed in the folder its output lies in, and the options that find that output again."""
    file = manifest.absolute()
    if output_of(file, None) != output.absolute():
        return shlex.quote(str(file)), f"--output {shlex.quote(str(output.absolute()))}"
    return shlex.quote(file.relative_to(output.absolute().parent).as_posix()), ""


def shape_of(shot: Shot) -> ShotShape:
    """How a shot is laid out; values that only an ``include`` brings come last."""
    axes = {axis.name: dict.fromkeys(value.key for value in axis.values) for axis in shot.axes}
    for cell in shot.include:
        for axis, value in zip(shot.axes, cell, strict=False):
            axes[axis.name].setdefault(value.key)
    return ShotShape(
        name=shot.name,
        axes=tuple((name, tuple(keys)) for name, keys in axes.items()),
        chain=tuple(step.id for step in shot.chain),
    )


def in_order(manifest: Manifest, rows: Iterable[AssetRow]) -> list[AssetRow]:
    """Rows as the manifest has them: shots, then their axes, candidates, and each chain from its base."""
    shots = {shot.name: number for number, shot in enumerate(manifest.shots)}
    places = {
        (shot.name, axis.name, value.key): number
        for shot in manifest.shots
        for axis in shot.axes
        for number, value in enumerate(axis.values)
    }

    def place(row: AssetRow) -> tuple[int, list[int], str, int, int]:
        keys = [places.get((row.shot, axis, key), len(places)) for axis, key in row.axes]
        return shots.get(row.shot, len(shots)), keys, row.shot, row.candidate, row.depth

    return sorted(rows, key=place)


def spaces_of(manifest: Manifest, ledger: Ledger) -> dict[str, Space]:
    """Where the pictures of each model (by its name in the manifest) belong now."""
    return {alias: space_of(manifest.providers[model.provider], ledger) for alias, model in manifest.models.items()}


def _counted(rows: Iterable[AssetRow], counts: Counter[State]) -> Iterator[AssetRow]:
    for row in rows:
        counts[row.state] += 1
        yield row


def _shown(rows: Iterable[AssetRow]) -> list[AssetRow]:
    """What the page has room for: mostly everything, else what is missing before what is there."""
    lacking: list[AssetRow] = []
    there: list[AssetRow] = []
    for row in rows:
        kind = there if row.state is State.DONE else lacking
        if len(kind) < MOST_SHOWN:
            kind.append(row)
    lacking = lacking[: max(MOST_SHOWN // 2, MOST_SHOWN - len(there))]
    return lacking + there[: MOST_SHOWN - len(lacking)]


def _runs(ledger: Ledger, manifest: str, world: World, closing: Closing | None) -> tuple[RunRow, ...]:
    runs = ledger.runs(manifest, MOST_RUNS)
    if closing is None:
        return runs
    now = world.clock.now()
    return tuple(replace(run, exit=closing.exit, ended_at=now) if run.run_id == closing.run_id else run for run in runs)


def _latest(rows: Sequence[AssetRow], runs: Sequence[RunRow]) -> datetime | None:
    moments = [row.updated_at for row in rows] + [run.ended_at or run.started_at for run in runs[:1]]
    return max(moments, default=None)


def _finder(places: Places) -> Callable[[Digest], Path | None]:
    """Where a picture's bytes are: kept ones, else the private copy of an input."""
    store = FileStore(places.images)

    def find(digest: Digest) -> Path | None:
        kept = store.find(digest)
        if kept is not None:
            return kept
        given = places.inputs / digest
        return given if given.is_file() else None

    return find
