"""WebP, chunk by chunk (RFC 9649)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.domain.image import Facts, Format
from pipeline.inspect.bounds import BrokenPicture, facts_of

_ALPHA_FLAG: Final = 0x10
_KEYFRAME_START: Final = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bitstream:
    size: tuple[int, int]
    has_alpha: bool


def read_webp(view: memoryview, max_pixels: int) -> Facts:
    """Facts of a whole WebP: as long as its RIFF header says, in whole chunks, with a picture in them.

    Raises BrokenPicture.
    """
    end = _riff_end(view)
    chunks = list(_chunks(view, 12, end))
    still = next((_bitstream(kind, body) for kind, body in chunks if kind in {b"VP8 ", b"VP8L"}), None)
    canvas = next((_canvas(body) for kind, body in chunks if kind == b"VP8X"), None)
    frames = sum(1 for kind, body in chunks if kind == b"ANMF" and _frame(body))
    if still is None and not frames:
        raise BrokenPicture("WebP without a picture in it")
    if canvas is not None and still is not None and canvas.size != still.size:
        raise BrokenPicture("WebP damaged: its canvas and its picture have different sizes")
    known = canvas or still
    if known is None or chunks[0][0] not in {b"VP8 ", b"VP8L", b"VP8X"}:
        raise BrokenPicture("WebP damaged: it does not begin with a picture or a canvas")
    has_alpha = known.has_alpha or (still is not None and still.has_alpha) or any(kind == b"ALPH" for kind, _ in chunks)
    notes = []
    if frames:
        notes.append(f"animated: {frames} frames, the first counts")
    if end < len(view):
        notes.append(f"{len(view) - end} bytes after the end")
    return facts_of(Format.WEBP, known.size, has_alpha=has_alpha, max_pixels=max_pixels, notes=notes)


def _riff_end(view: memoryview) -> int:
    if len(view) < 20:
        raise BrokenPicture(f"RIFF file cut after {len(view)} bytes")
    if bytes(view[8:12]) != b"WEBP":
        raise BrokenPicture("a RIFF file that is no WebP")
    end = 8 + int.from_bytes(view[4:8], "little")
    if end > len(view):
        raise BrokenPicture(f"WebP cut after {len(view)} of {end} bytes")
    return end


def _chunks(view: memoryview, at: int, end: int) -> Iterator[tuple[bytes, memoryview]]:
    while at < end:
        if at + 8 > end:
            raise BrokenPicture(f"WebP damaged at byte {at}: half a chunk")
        body = at + 8
        stop = body + int.from_bytes(view[at + 4 : body], "little")
        if stop > end:
            raise BrokenPicture(f"WebP damaged at byte {at}: a chunk longer than the file")
        yield bytes(view[at : at + 4]), view[body:stop]
        at = stop + (stop & 1)


def _bitstream(kind: bytes, body: memoryview) -> _Bitstream:
    return _lossless(body) if kind == b"VP8L" else _lossy(body)


def _lossy(body: memoryview) -> _Bitstream:
    """VP8 key frame header (RFC 6386, 9.1): frame tag, start code, 14 bits of width and of height."""
    if len(body) < 10 or body[0] & 1 or bytes(body[3:6]) != _KEYFRAME_START:
        raise BrokenPicture("WebP damaged: no key frame in its VP8 data")
    first_partition = int.from_bytes(body[0:3], "little") >> 5
    if first_partition + 10 > len(body):
        raise BrokenPicture("WebP damaged: its VP8 data is shorter than it says")
    width = int.from_bytes(body[6:8], "little") & 0x3FFF
    height = int.from_bytes(body[8:10], "little") & 0x3FFF
    return _Bitstream(size=(width, height), has_alpha=False)


def _lossless(body: memoryview) -> _Bitstream:
    """VP8L header (RFC 9649, 3.4): signature, 14 bits of width-1 and height-1, alpha, version 0."""
    if len(body) < 6 or body[0] != 0x2F:
        raise BrokenPicture("WebP damaged: no signature in its VP8L data")
    bits = int.from_bytes(body[1:5], "little")
    if bits >> 29:
        raise BrokenPicture("WebP of an unknown version")
    return _Bitstream(size=((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1), has_alpha=bool(bits >> 28 & 1))


def _canvas(body: memoryview) -> _Bitstream:
    if len(body) < 10:
        raise BrokenPicture("WebP damaged: half a canvas")
    width = int.from_bytes(body[4:7], "little") + 1
    height = int.from_bytes(body[7:10], "little") + 1
    return _Bitstream(size=(width, height), has_alpha=bool(body[0] & _ALPHA_FLAG))


def _frame(body: memoryview) -> bool:
    """Whether an animation's frame holds a picture in whole chunks."""
    if len(body) < 16:
        raise BrokenPicture("WebP damaged: half a frame")
    parts = [_bitstream(kind, part) for kind, part in _chunks(body, 16, len(body)) if kind in {b"VP8 ", b"VP8L"}]
    return bool(parts)
