"""The one door: bytes in, facts out, or a line that says what the bytes are instead."""

from collections.abc import Callable
from typing import Final

from pipeline.domain.image import Facts
from pipeline.inspect.bounds import MAX_PIXELS, BrokenPicture
from pipeline.inspect.gif import read_gif
from pipeline.inspect.jpeg import read_jpeg
from pipeline.inspect.png import SIGNATURE, read_png
from pipeline.inspect.webp import read_webp

_READERS: Final[tuple[tuple[bytes, Callable[[memoryview, int], Facts]], ...]] = (
    (SIGNATURE, read_png),
    (b"\xff\xd8", read_jpeg),
    (b"RIFF", read_webp),
    (b"GIF87a", read_gif),
    (b"GIF89a", read_gif),
)

_OTHERS: Final = (
    (b"%PDF", "a PDF"),
    (b"II*\x00", "a TIFF"),
    (b"MM\x00*", "a TIFF"),
    (b"BM", "a BMP"),
    (b"\x00\x00\x01\x00", "an icon file"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
)

_LONGEST_SIGNATURE: Final = 8
_GLIMPSE: Final = 512


def inspect(data: bytes | bytearray | memoryview, *, max_pixels: int = MAX_PIXELS) -> Facts:
    """What picture *data* is, from its structure; nothing is decoded (about 0.6 ms for 2 MB).

    PNG: every chunk's length and CRC up to IEND. JPEG: every segment up to EOI. WebP: the RIFF length and every
    chunk. GIF: every block up to the trailer. So a file cut anywhere never passes; damage inside the compressed data
    of JPEG and WebP, which carry no checksums, is `inspect.decode.decode_check`'s.

    Raises BrokenPicture for anything else, with a line that says what came instead.
    """
    view = memoryview(data).cast("B") if not isinstance(data, memoryview) else data
    for start, read in _READERS:
        if view[: len(start)] == start:
            return read(view, max_pixels)
    raise BrokenPicture(_told(view))


def _told(view: memoryview) -> str:
    if not len(view):
        return "no bytes at all where a picture should be"
    head = bytes(view[:_GLIMPSE])
    if len(view) < _LONGEST_SIGNATURE and any(start.startswith(head) for start, _ in _READERS):
        return f"a picture cut after {len(view)} bytes"
    if not head.strip(b"\x00"):
        return f"{len(view)} bytes that begin with zeros, no picture"
    what = next((name for start, name in _OTHERS if head.startswith(start)), None) or _media(head) or _text(head)
    return f"{what or 'unknown bytes'} instead of a PNG, JPEG, WebP or GIF ({len(view)} bytes)"


def _media(head: bytes) -> str | None:
    """ISO base media (AVIF, HEIC, MP4), told by its brand."""
    if head[4:8] != b"ftyp":
        return None
    brand = head[8:12]
    if brand in {b"avif", b"avis"}:
        return "an AVIF"
    return "a HEIC" if brand in {b"heic", b"heix", b"mif1", b"msf1", b"hevc"} else "an MP4"


def _text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG"
    if text.startswith(b"<"):
        return "HTML" if b"<!doctype html" in text or b"<html" in text or b"<head" in text else "XML or HTML"
    if text.startswith((b"{", b"[")):
        return "JSON"
    return "text" if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in text) else None
