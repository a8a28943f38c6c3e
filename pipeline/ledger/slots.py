"""What is known of keys: the look-up of planning, their parts, and blessings."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.domain.digest import Json
from pipeline.domain.errors import UserError
from pipeline.domain.record import Slot, Space
from pipeline.domain.step import AssetName, KeyParts, StepKey
from pipeline.ledger import queries_assets as sql
from pipeline.ledger import rows
from pipeline.ledger.attempts import add_key
from pipeline.ledger.book import Book

_BATCH: Final = 10_000


def slots(book: Book, space: Space, keys: Iterable[StepKey]) -> dict[StepKey, Slot]:
    """What the ledger knows of these keys; keys it has never heard of are left out."""
    asked = sorted(bytes.fromhex(key) for key in keys)
    found: dict[StepKey, Slot] = {}
    for start in range(0, len(asked), _BATCH):
        batch = asked[start : start + _BATCH]
        for row in book.rows(sql.SLOTS, {"keys": b"".join(batch), "count": len(batch), "space": space}):
            slot = rows.slot_of(row)
            found[slot.key] = slot
    return found


def parts(book: Book, key: StepKey) -> KeyParts | None:
    """The parts a key was made of; None when the ledger has never heard of it."""
    row = book.row(sql.PARTS, (bytes.fromhex(key),))
    return rows.parts_of(row[0]) if row else None


def previous_parts(
    book: Book, manifest: str, space: Space, names: Sequence[AssetName]
) -> dict[AssetName, dict[str, Json]]:
    """The canonical parts each asset's last picture was asked with (its last key, where there is no picture)."""
    found = book.rows(sql.PREVIOUS_PARTS, (json.dumps(names), manifest, space))
    return {AssetName(name): json.loads(column) for name, column in found}


@dataclass(frozen=True, slots=True, kw_only=True)
class Blessing:
    """A person keeps the picture of an old key for a new one, for one asset; the same key twice blesses a flaw."""

    manifest: str
    space: Space
    asset: AssetName
    old_key: StepKey
    new_key: StepKey
    parts: KeyParts


def bless(book: Book, blessing: Blessing) -> None:
    """Makes the old key's picture the new key's, `done` and never asked again.

    Raises UserError when the old key has no picture.
    """
    old, new = bytes.fromhex(blessing.old_key), bytes.fromhex(blessing.new_key)
    with book.writing():
        source = book.row(sql.SLOT_IMAGE, (blessing.space, old))
        if source is None:
            raise UserError(f"{blessing.asset}: it has no picture to keep (run it first)")
        image, usd = source
        now = book.moment()
        add_key(book, new, blessing.parts)
        book.change(sql.PUT_BLESSED_SLOT, {"space": blessing.space, "old": old, "new": new, "now": now})
        book.change(sql.BLESS, (blessing.space, new, old, image, blessing.manifest, blessing.asset, now))
        book.change(sql.BLESS_ASSET, (new, image, usd, now, blessing.manifest, blessing.asset, blessing.space))
