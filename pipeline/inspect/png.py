"""PNG, chunk by chunk (W3C PNG, third edition, sections 5 and 11)."""

import struct
import zlib
from typing import Final

from pipeline.domain.image import Facts, Format
from pipeline.inspect.bounds import BrokenPicture, facts_of

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"

_DEPTHS: Final = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
"""Legal bit depths of each colour type (section 11.2.1)."""

_CHUNK: Final = struct.Struct(">I4s")
_HEADER: Final = struct.Struct(">IIBBBBB")


def read_png(view: memoryview, max_pixels: int) -> Facts:
    """Facts of a whole PNG: every chunk has its length and CRC, IHDR is first, IDAT is there, IEND closes.

    Raises BrokenPicture.
    """
    size, colour = _header(view)
    kinds, end = _walk(view)
    if b"IDAT" not in kinds:
        raise BrokenPicture("PNG without image data (no IDAT chunk)")
    if colour == 3 and b"PLTE" not in kinds:
        raise BrokenPicture("PNG with palette colours and no palette (no PLTE chunk)")
    notes = []
    if b"acTL" in kinds:
        notes.append("animated: the first frame counts")
    if end < len(view):
        notes.append(f"{len(view) - end} bytes after the end")
    has_alpha = colour in {4, 6} or b"tRNS" in kinds
    return facts_of(Format.PNG, size, has_alpha=has_alpha, max_pixels=max_pixels, notes=notes)


def _header(view: memoryview) -> tuple[tuple[int, int], int]:
    """Size and colour type."""
    start = len(SIGNATURE) + _CHUNK.size
    if len(view) < start + _HEADER.size:
        raise BrokenPicture(f"PNG cut after {len(view)} bytes")
    length, kind = _CHUNK.unpack_from(view, len(SIGNATURE))
    if kind != b"IHDR" or length != _HEADER.size:
        raise BrokenPicture("PNG does not begin with its header (IHDR)")
    width, height, depth, colour, compression, filtering, interlace = _HEADER.unpack_from(view, start)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise BrokenPicture(f"PNG with an illegal header (colour type {colour}, {depth} bits)")
    return (width, height), colour


def _walk(view: memoryview) -> tuple[set[bytes], int]:
    """The kinds of chunks that are there and where IEND ends."""
    kinds: set[bytes] = set()
    at = len(SIGNATURE)
    while True:
        if at + 12 > len(view):
            raise BrokenPicture(f"PNG cut after {len(view)} bytes: it does not reach its end mark (IEND)")
        length, kind = _CHUNK.unpack_from(view, at)
        end = at + 12 + length
        if not kind.isalpha():
            raise BrokenPicture(f"PNG damaged at byte {at}: no chunk begins there")
        if end > len(view):
            raise BrokenPicture(f"PNG cut after {len(view)} bytes, inside a {kind.decode()} chunk")
        if zlib.crc32(view[at + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise BrokenPicture(f"PNG damaged: the checksum of its {kind.decode()} chunk at byte {at} is wrong")
        kinds.add(kind)
        at = end
        if kind == b"IEND":
            return kinds, end
