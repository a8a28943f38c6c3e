"""`recall`: everything that was made from a photo, through any number of edits."""

from contextlib import ExitStack
from pathlib import Path

from pipeline.app.looking import open_reader, output_for
from pipeline.app.world import World
from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import UserError
from pipeline.domain.record import AssetRow


def recall_photo(photo: Path, output: Path | None, world: World) -> tuple[AssetRow, ...]:
    """Assets whose picture descends from the photo's bytes, in every manifest of the output folder. Blocks."""
    try:
        digest = digest_of(photo.read_bytes())
    except OSError as error:
        raise UserError(f"{photo}: cannot be read: {error.strerror} (check the path)") from error
    with ExitStack() as stack:
        ledger = open_reader(output_for(photo, output), world, stack)
        seen: set[Digest] = set()
        rows: dict[tuple[str, str, str], AssetRow] = {}
        front = [digest]
        while front:
            for row in ledger.assets_from(front.pop()):
                rows[row.manifest, row.space, row.asset] = row
                if row.image is not None and row.image.digest not in seen:
                    seen.add(row.image.digest)
                    front.append(row.image.digest)
        return tuple(rows[at] for at in sorted(rows))
