"""A lost ledger made anew from receipts and images, with nothing bought again."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import PipelineError
from pipeline.domain.image import Format, Image
from pipeline.domain.record import AssetRow, Intent, Kept, Placement, Settlement
from pipeline.ledger import Ledger
from pipeline.store import FileStore, Receipt, Receipts, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a rebuild read. broken: receipts that could not be read; lost: pictures whose bytes are gone."""

    attempts: int = 0
    images: int = 0
    orphans: int = 0
    placements: int = 0
    broken: int = 0
    lost: int = 0


def rebuild(ledger: Ledger, store: FileStore, receipts: Receipts, tree: Tree, output: Path) -> Rebuilt:
    """Reads every receipt, oldest first, then images no receipt names, then the output tree, into an empty ledger.

    Idempotent: what the ledger has already is left alone. Blocks.
    """
    found = list(receipts.walk())
    good = sorted((r for r in found if isinstance(r, Receipt)), key=lambda receipt: receipt.intent.opened_at)
    for receipt in good:
        ledger.replay(receipt.intent, receipt.settlement)
        assets = (_asset(receipt.intent, receipt.settlement, kept) for kept in receipt.settlement.kept)
        ledger.record_assets([asset for asset in assets if asset is not None])
    known = {kept.image.digest for receipt in good for kept in receipt.settlement.kept}
    lost = _lose_missing(ledger, store)
    orphans = _adopt(ledger, store, known)
    placed = _placements(ledger, tree, output)
    ledger.mark_read()
    return Rebuilt(
        attempts=len(good),
        images=len(known) - lost,
        orphans=orphans,
        placements=placed,
        broken=len(found) - len(good),
        lost=lost,
    )


def _asset(intent: Intent, settlement: Settlement, kept: Kept) -> AssetRow | None:
    """The asset a picture was bought for, as far as a receipt tells; the next run writes the rest."""
    if kept.slot is None:
        return None
    slot = intent.slots[kept.slot]
    return AssetRow(
        manifest=intent.manifest,
        space=settlement.space,
        asset=slot.asset,
        shot=slot.asset.partition("/")[0],
        axes=(),
        step_id="",
        depth=0,
        candidate=slot.parts.candidate,
        parent=None,
        model_alias="",
        key=slot.key,
        state=kept.state,
        reason=kept.reason,
        image=kept.image,
        path="",
        usd=settlement.cost,
        warnings=kept.warnings,
        run_id=intent.run_id,
        updated_at=settlement.ended_at,
    )


def _lose_missing(ledger: Ledger, store: FileStore) -> int:
    missing = [image for image in ledger.pictures.every() if not store.has(image)]
    for image in missing:
        ledger.pictures.lose(image.digest)
    return len(missing)


def _adopt(ledger: Ledger, store: FileStore, known: set[Digest]) -> int:
    adopted: list[Image] = []
    for file in store.walk():
        if file.digest is None or file.digest in known:
            continue
        try:
            adopted.append(store.verify(file.digest))
        except PipelineError:
            continue  # `verify` names it
    ledger.pictures.adopt(adopted)
    return len(adopted)


def _placements(ledger: Ledger, tree: Tree, output: Path) -> int:
    """Copies in the output tree whose bytes are an image of ours are ours again, so that they may be replaced."""
    placed: list[Placement] = []
    extensions = {f".{kind.extension}" for kind in Format}
    folders = [folder.name for folder in output.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    for folder in folders:
        for path in tree.walk(folder):
            file = output / path
            if file.suffix not in extensions or file.is_symlink():
                continue
            digest = digest_of(file.read_bytes())
            rows = ledger.assets_with(digest)
            if not rows:
                continue
            status = file.stat()
            row = next((row for row in rows if row.manifest == folder), rows[0])
            placed.append(
                Placement(
                    path=path,
                    digest=digest,
                    size=status.st_size,
                    mtime_ns=status.st_mtime_ns,
                    space=row.space,
                    asset=row.asset,
                )
            )
    ledger.placements.record(placed)
    return len(placed)
