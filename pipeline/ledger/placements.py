"""Files of ours in the output tree, as they were put there."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pipeline.domain.digest import Digest
from pipeline.domain.record import Placement, Space
from pipeline.domain.step import AssetName
from pipeline.ledger import queries_assets as sql
from pipeline.ledger.book import Book

_PAGE: Final = 2_000


class Placements:
    """``ledger.placements``: each call blocks, each that writes is one transaction and raises as `Ledger` says."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def record(self, placed: Iterable[Placement]) -> None:
        """Notes files put into the output tree."""
        with self._book.writing():
            self._book.change_many(
                sql.PUT_PLACEMENT,
                (
                    (file.path, bytes.fromhex(file.digest), file.size, file.mtime_ns, file.space, file.asset)
                    for file in placed
                ),
            )

    def at(self, paths: Sequence[str]) -> dict[str, Placement]:
        """What was put at these paths; paths where nothing of ours was put are left out."""
        found = (_placement(row) for row in self._book.rows(sql.PLACEMENTS, (json.dumps(paths),)))
        return {file.path: file for file in found}

    def named(self, stems: Sequence[str]) -> dict[str, Placement]:
        """What was put at these paths, whatever follows them after a ``.`` or ``~``: any extension, copies beside it.

        Others whose names go on like that may be among them. Two look-ups a path, however many endings there are.
        """
        found = (_placement(row) for row in self._book.rows(sql.PLACEMENTS_NAMED, {"stems": json.dumps(stems)}))
        return {file.path: file for file in found}

    def under(self, folder: str) -> Iterator[Placement]:
        """Every file put under a folder of the output tree, by path; memory for one page. Empty: all of them."""
        first, end = (f"{folder}/", f"{folder}0") if folder else ("", "\U0010ffff")
        after = ""
        while page := self._book.rows(sql.PLACEMENTS_UNDER, (after, first, end, _PAGE)):
            for row in page:
                yield _placement(row)
            after = page[-1][0]

    def drop(self, paths: Iterable[str]) -> None:
        """Forgets files that were removed."""
        with self._book.writing():
            self._book.change_many(sql.DROP_PLACEMENT, ((path,) for path in paths))


def _placement(row: tuple[Any, ...]) -> Placement:
    path, digest, size, mtime_ns, space, name = row
    return Placement(
        path=path, digest=Digest(digest.hex()), size=size, mtime_ns=mtime_ns, space=Space(space), asset=AssetName(name)
    )
