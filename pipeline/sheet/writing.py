"""A sheet's files in the output tree: the page, its thumbnails and the board for chat tools."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.sheet.board import board_of
from pipeline.sheet.build import build
from pipeline.sheet.files import write_bytes, write_pieces
from pipeline.sheet.model import Seen, Sheet, SheetData
from pipeline.sheet.page import render
from pipeline.sheet.thumbs import drop_thumbs, inlined, make_thumbs, never, thumb_path

PAGE: Final = "index.html"
BOARD: Final = "contact-sheet.png"


def write(
    folder: Path,
    data: SheetData,
    images: Callable[[Digest], Path | None],
    *,
    single_file: bool = False,
    hurried: Callable[[], bool] = never,
) -> Path:
    """Writes ``index.html``, ``thumbs/`` and ``contact-sheet.png`` into *folder* and gives the page's path. Blocks.

    images: the file with a picture's bytes, None when it is gone. single_file: thumbnails are inside the page.
    hurried: once it says so, thumbnails that lack are left for the next sheet; the page shows the pictures themselves.
    Each file is whole or not there, and one that would be the same is left alone, its mtime too. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sheet = build(data)
    digests = sheet.digests()
    files = {digest: images(digest) for digest in digests}
    gone = frozenset(digest for digest, path in files.items() if path is None)
    if gone:
        sheet = build(data, frozenset(gone - _in_tree(folder, sheet)))
    thumbs = make_thumbs(folder, digests, files.get, hurried)
    drop_thumbs(folder, thumbs)
    write_bytes(folder / BOARD, (board_of(sheet, folder),))
    return write_pieces(folder / PAGE, (render(sheet, _seen(folder, files, thumbs, single_file=single_file)),))


def _in_tree(folder: Path, sheet: Sheet) -> frozenset[Digest]:
    """Pictures whose copy among the outputs is there."""
    return frozenset(
        card.row.image.digest
        for card in sheet.cards
        if card.row.image is not None and card.row.path and (folder / card.row.path).is_file()
    )


def _seen(
    folder: Path, files: Mapping[Digest, Path | None], thumbs: frozenset[Digest], *, single_file: bool
) -> dict[Digest, Seen]:
    """How the page reaches each picture."""
    seen: dict[Digest, Seen] = {}
    for digest, path in files.items():
        thumb = thumb_path(digest) if digest in thumbs else ""
        if thumb and single_file:
            thumb = inlined(folder / thumb)
        seen[digest] = Seen(thumb=thumb, full=_relative(path, folder) if path is not None else "")
    return seen


def _relative(path: Path, folder: Path) -> str:
    return os.path.relpath(path, folder).replace(os.sep, "/")
