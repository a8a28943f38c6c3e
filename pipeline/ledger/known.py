"""Which keys the ledger has, held in memory: for plans so large that looking each key up costs more than reading all.

A look-up in the table reads a page for each key, five microseconds; the whole table read once costs less than one for
each row. Held are the first 64 bits of each key and a letter, nine bytes: two keys alike in these bits are told apart
by nobody here, so this is for plans that are shown (one in ten million of a million keys), never for a purchase.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from pipeline.domain.record import Space
from pipeline.domain.step import StepKey
from pipeline.ledger import queries_assets as sql
from pipeline.ledger.book import Book

_PAGE: Final = 20_000
_HEX: Final = 16
"""Hexadecimal digits of a key that are held."""


class KnownKeys:
    """The keys of one space as they stood when this was made. Blocks; nine bytes a key."""

    def __init__(self, book: Book, space: Space) -> None:
        self._heads = array("Q")
        self._there = bytearray()
        after = b""
        while page := book.rows(sql.KNOWN_KEYS, (space, after, _PAGE)):
            after = page[-1][0]
            self._heads.extend([int.from_bytes(key[: _HEX // 2], "big") for key, _ in page])
            self._there += bytes([there for _, there in page])

    def __len__(self) -> int:
        return len(self._heads)

    def __call__(self, keys: Iterable[StepKey]) -> list[bool | None]:
        """For each key: its picture is there (True), nobody ever heard of it (False), or a look-up tells (None)."""
        heads, there, count = self._heads, self._there, len(self._heads)
        told: list[bool | None] = []
        for key in keys:
            head = int(key[:_HEX], 16)
            at = bisect_left(heads, head)
            told.append(False if at == count or heads[at] != head else True if there[at] else None)
        return told
