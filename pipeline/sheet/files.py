"""Files of a sheet: written whole or not at all, and left alone when nothing changed."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pipeline.domain.temporary import temporary_name

_PIECE: Final = 1024 * 1024


def write_pieces(path: Path, pieces: Iterable[str]) -> Path:
    """Writes a text file from its pieces; one that is there with the same bytes keeps its mtime. Raises OSError.

    A lone surrogate, which UTF-8 has no bytes for, is written as its escape. Blocks; memory for a megabyte.
    """
    return write_bytes(path, (piece.encode("utf-8", "backslashreplace") for piece in pieces))


def write_text(path: Path, text: str) -> Path:
    """The same for a text in one piece."""
    return write_pieces(path, (text,))


def write_bytes(path: Path, pieces: Iterable[bytes]) -> Path:
    """The same for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(temporary_name())
    try:
        with part.open("xb", buffering=_PIECE) as file:
            for piece in pieces:
                file.write(piece)
        if not _same(part, path):
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _same(new: Path, old: Path) -> bool:
    try:
        if new.stat().st_size != old.stat().st_size:
            return False
    except FileNotFoundError:
        return False
    return all(one == other for one, other in zip(_read(new), _read(old), strict=True))


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
