"""`output/index.html`: every manifest of an output folder, as the ledger has it."""

from itertools import islice
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.ledger import Ledger
from pipeline.store import Places

LOOKED_AT: Final = 400
"""Assets among which a manifest's cover pictures are chosen."""


def write_overview(ledger: Ledger, places: Places) -> Path:
    """Writes the page over all manifests; gives it. Blocks. Raises OSError, LedgerFault."""
    from pipeline.sheet import overview  # noqa: PLC0415 -- Jinja loads when a page is made

    jobs = [
        overview.Job(
            name=name,
            counts=dict(ledger.history.standing(name).counts),
            total=ledger.money_since(None, name),
            run=next(iter(ledger.runs(name, 1)), None),
            covers=_covers(name, ledger, places, overview.COVERS),
            page=(places.output / name / "index.html").is_file(),
        )
        for name in ledger.history.manifests()
    ]
    return overview.write_overview(places.output, jobs)


def _covers(name: str, ledger: Ledger, places: Places, most: int) -> tuple[Digest, ...]:
    """Pictures that have a thumbnail, evenly from the first assets."""
    from pipeline.sheet.thumbs import thumb_path  # noqa: PLC0415 -- Pillow loads when a page is made

    rows = islice(ledger.assets(name), LOOKED_AT)
    digests = dict.fromkeys(row.image.digest for row in rows if row.image is not None)
    there = [digest for digest in digests if (places.output / name / thumb_path(digest)).is_file()]
    step = max(1, -(-len(there) // most))
    return tuple(there[::step])
