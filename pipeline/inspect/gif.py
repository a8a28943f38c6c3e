"""GIF, block by block (GIF89a specification)."""

from typing import Final

from pipeline.domain.image import Facts, Format
from pipeline.inspect.bounds import BrokenPicture, facts_of

_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL: Final = 0xF9


def read_gif(view: memoryview, max_pixels: int) -> Facts:
    """Facts of a whole GIF: every block has its length, a frame is there, the trailer closes. Raises BrokenPicture."""
    at = 13 + (_table(view[10]) if len(view) > 13 else 0)
    frames, has_alpha = 0, False
    while True:
        kind = _byte(view, at)
        if kind == _TRAILER:
            break
        if kind == _EXTENSION:
            has_alpha |= _byte(view, at + 1) == _GRAPHIC_CONTROL and bool(_byte(view, at + 3) & 1)
            at = _blocks_end(view, at + 2)
        elif kind == _FRAME:
            frames += 1
            at = _blocks_end(view, at + 11 + _table(_byte(view, at + 9)))
        else:
            raise BrokenPicture(f"GIF damaged at byte {at}: no block begins there")
    if not frames:
        raise BrokenPicture("GIF without a picture in it")
    notes = []
    if frames > 1:
        notes.append(f"animated: {frames} frames, the first counts")
    if at + 1 < len(view):
        notes.append(f"{len(view) - at - 1} bytes after the end")
    size = int.from_bytes(view[6:8], "little"), int.from_bytes(view[8:10], "little")
    return facts_of(Format.GIF, size, has_alpha=has_alpha, max_pixels=max_pixels, notes=notes)


def _byte(view: memoryview, at: int) -> int:
    if at >= len(view):
        raise BrokenPicture(f"GIF cut after {len(view)} bytes")
    return view[at]


def _table(flags: int) -> int:
    """Bytes of the colour table that *flags* announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(view: memoryview, at: int) -> int:
    """The byte after the empty block that ends a row of data blocks."""
    while length := _byte(view, at):
        at += 1 + length
    return at + 1
