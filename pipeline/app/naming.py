"""Names of assets, for shells that complete them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.app.desk import load_manifest
from pipeline.app.options import Choice
from pipeline.app.world import World
from pipeline.inputs import InputDesk
from pipeline.plan import make_plan


def asset_names(manifest: Path, begin: str, world: World) -> Iterator[str]:
    """Names of a manifest's assets that begin so, in the manifest's order. Reads no ledger and fetches nothing.

    Raises ManifestError.
    """
    loaded, catalogue = load_manifest(Choice(manifest=manifest), world)
    with tempfile.TemporaryDirectory() as folder:
        plan = make_plan(loaded, InputDesk(Path(folder)), catalogue)
        for cell in plan.cells_in_order():
            for chain in cell.chains:
                yield from (step.asset for step in chain if step.asset.startswith(begin))
