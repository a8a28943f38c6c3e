"""Kept pictures as the ledger knows them: what verify, repair, trace and gc ask."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.domain.image import Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Space
from pipeline.domain.step import AssetName, StepKey
from pipeline.ledger import queries_assets as sql
from pipeline.ledger import rows
from pipeline.ledger.book import Book
from pipeline.ledger.settling import put_image

_PAGE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A picture nothing refers to. usd: what it cost, in micro-USD; attempt's space tells rehearsals apart."""

    image: Image
    created_at: datetime
    space: Space
    usd: MicroUsd


class Pictures:
    """``ledger.pictures``: each call blocks, each that writes is one transaction and raises as `Ledger` says."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def find(self, digest: Digest) -> Image | None:
        """The facts of a kept picture; None when the ledger has never heard of it."""
        row = self._book.row(sql.IMAGE, (bytes.fromhex(digest),))
        return rows.image_or_none(row) if row else None

    def every(self) -> Iterator[Image]:
        """Every kept picture in the order of their digests; memory for one page."""
        after = b""
        while page := self._book.rows(sql.IMAGES_AFTER, (after, _PAGE)):
            for row in page:
                found = rows.image_or_none(row)
                assert found is not None
                yield found
            after = page[-1][0]

    def origin(self, digest: Digest) -> tuple[AttemptId | None, StepKey | None] | None:
        """The attempt that first brought a picture and the key it was asked with; None for a stranger."""
        row = self._book.row(sql.IMAGE_ORIGIN, (bytes.fromhex(digest),))
        if row is None:
            return None
        attempt_id, key = row
        return (AttemptId(attempt_id) if attempt_id else None), (StepKey(key.hex()) if key else None)

    def strays(self) -> tuple[Stray, ...]:
        """Pictures that no slot and no asset (present or previous) refers to."""
        found = []
        for *columns, created_at, space, usd in self._book.rows(sql.UNREFERENCED):
            picture = rows.image_or_none(tuple(columns))
            assert picture is not None
            found.append(
                Stray(image=picture, created_at=rows.moment(created_at), space=Space(space), usd=MicroUsd(usd))
            )
        return tuple(found)

    def adopt(self, pictures: Iterable[Image]) -> None:
        """Writes facts of pictures that lie in the store although the ledger has never heard of them."""
        with self._book.writing():
            now = self._book.moment()
            for picture in pictures:
                put_image(self._book, picture, created_at=now, attempt=None, key=None)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Removes pictures that were thrown away (strays only: what is still referred to is to be lost with `lose`)."""
        with self._book.writing():
            for digest in digests:
                self._book.change(sql.DROP_IMAGE, (bytes.fromhex(digest),))
                self._book.change(sql.LOSE_PREVIOUS, (bytes.fromhex(digest),))

    def lose(self, digest: Digest) -> tuple[tuple[str, AssetName], ...]:
        """A picture is gone for good: its slots and assets are `planned` again, so that the next run asks for them.

        The money stays counted. Gives manifest and name of each asset that had it.
        """
        with self._book.writing():
            now, name = self._book.moment(), bytes.fromhex(digest)
            self._book.change(sql.LOSE_SLOTS, (now, name))
            lost = self._book.rows(sql.LOSE_ASSETS, (now, name))
            self._book.change(sql.LOSE_PREVIOUS, (name,))
            self._book.change(sql.DROP_IMAGE, (name,))
        return tuple((manifest, AssetName(asset)) for manifest, asset in lost)
