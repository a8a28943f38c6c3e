"""The sheet and the index of a manifest, from the ledger's rows."""

from collections.abc import Iterator
from pathlib import Path

from pipeline.app.desk import space_of
from pipeline.app.world import World
from pipeline.domain.record import AssetRow
from pipeline.ledger import Ledger
from pipeline.manifest.model import Manifest
from pipeline.sheet.index import write_index
from pipeline.store import Places


def current_rows(manifest: Manifest, ledger: Ledger) -> Iterator[AssetRow]:
    """How every asset of a manifest stands, each in the key space its model's provider has now."""
    spaces = {alias: space_of(manifest.providers[model.provider], ledger) for alias, model in manifest.models.items()}
    for space in sorted(set(spaces.values())):
        for row in ledger.assets(manifest.name, space):
            if spaces.get(row.model_alias) == space:
                yield row


def show_manifest(manifest: Manifest, ledger: Ledger, places: Places, world: World, *, page: bool) -> Path | None:
    """Writes ``index.json``, and with *page* ``index.html``; gives the page. Blocks."""
    folder = places.output / manifest.name
    write_index(folder, current_rows(manifest, ledger))
    return folder / "index.html" if page else None
