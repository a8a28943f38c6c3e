"""`gc` and `prune`: what nobody refers to any more, shown first, removed only when told."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pipeline.domain.image import Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import PAID, Placement
from pipeline.ledger import Ledger
from pipeline.store import FileStore, Spool, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """An image no asset refers to. usd: what it cost, in micro-USD; paid: it is no rehearsal's."""

    image: Image
    created_at: datetime
    usd: MicroUsd
    paid: bool


def garbage(ledger: Ledger, before: datetime) -> Iterator[Garbage]:
    """Images that neither a key nor an asset, present or previous, refers to and that are older than *before*."""
    for stray in ledger.pictures.strays():
        if stray.created_at < before:
            paid = stray.space == PAID and stray.usd > 0
            yield Garbage(image=stray.image, created_at=stray.created_at, usd=stray.usd, paid=paid)


def collect(ledger: Ledger, store: FileStore, spool: Spool, found: list[Garbage], before: datetime) -> int:
    """Removes images and old quarantined bodies; receipts stay for ever. Gives how many images went. Blocks."""
    for item in found:
        store.remove(item.image.digest)
    ledger.pictures.forget([item.image.digest for item in found])
    spool.release(before)
    return len(found)


def unclaimed(ledger: Ledger, manifest: str, wanted: frozenset[str]) -> Iterator[Placement]:
    """Files of ours under a manifest's folder that none of the wanted assets claims."""
    for placement in ledger.placements.under(manifest):
        if placement.asset not in wanted:
            yield placement


def prune(ledger: Ledger, tree: Tree, found: list[Placement]) -> tuple[list[Placement], list[Placement]]:
    """Removes files of ours that are still as we left them. Gives those removed and those a person edited. Blocks."""
    removed, kept = [], []
    for placement in found:
        standing = tree.standing(placement)
        if standing == "missing" or tree.remove(placement):
            removed.append(placement)
        else:
            kept.append(placement)
    ledger.placements.drop([placement.path for placement in removed])
    return removed, kept
