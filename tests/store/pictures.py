"""Small pictures of every kind, drawn on the spot."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw

PHOTOS = Path(__file__).resolve().parents[2] / "jobs" / "photos"


def drawing(width: int = 24, height: int = 16, mode: str = "RGB") -> Pillow.Image:
    """Something with colours, an edge and, in RGBA, a clear background."""
    clear = (0, 0, 0, 0) if mode == "RGBA" else "white"
    picture = Pillow.new("RGBA" if mode == "RGBA" else "RGB", (width, height), clear)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((width * 0.2, height * 0.2, width * 0.8, height * 0.8), fill=(200, 40, 30))
    draw.rectangle((width * 0.4, height * 0.5, width * 0.6, height * 0.7), fill=(30, 80, 200))
    return picture if picture.mode == mode else picture.convert(mode)


def encoded(picture: Pillow.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png(width: int = 24, height: int = 16, mode: str = "RGB") -> bytes:
    return encoded(drawing(width, height, mode), "PNG")


def jpeg(width: int = 24, height: int = 16) -> bytes:
    return encoded(drawing(width, height), "JPEG", quality=80)


def webp(width: int = 24, height: int = 16, mode: str = "RGB", *, lossless: bool = False) -> bytes:
    return encoded(drawing(width, height, mode), "WEBP", lossless=lossless)


def gif(width: int = 24, height: int = 16) -> bytes:
    return encoded(drawing(width, height), "GIF")


def progressive() -> bytes:
    return encoded(drawing(40, 40), "JPEG", progressive=True)


def animated(kind: str) -> bytes:
    return encoded(drawing(), kind, save_all=True, append_images=[drawing().rotate(90)])


KINDS: dict[str, Callable[[], bytes]] = {
    "png": png,
    "png with alpha": lambda: png(mode="RGBA"),
    "png with a palette": lambda: png(mode="P"),
    "jpeg": jpeg,
    "progressive jpeg": progressive,
    "webp": webp,
    "webp with alpha": lambda: webp(mode="RGBA"),
    "lossless webp": lambda: webp(lossless=True),
    "animated webp": lambda: animated("WEBP"),
    "animated png": lambda: animated("PNG"),
    "gif": gif,
    "animated gif": lambda: animated("GIF"),
}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_claiming(width: int, height: int, *, depth: int = 1, colour: int = 0) -> bytes:
    """A few bytes with good checksums that claim any size."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(bytes(100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def board(size: tuple[int, int], tile: float, one: int, other: int, shift: tuple[int, int] = (0, 0)) -> Pillow.Image:
    """The checkerboard that editors show behind transparent pixels."""
    width, height = size
    picture = Pillow.new("RGB", size, (one,) * 3)
    draw = ImageDraw.Draw(picture)
    for row in range(int(height / tile) + 2):
        for column in range(int(width / tile) + 2):
            if (row + column) % 2:
                left, top = column * tile - shift[0], row * tile - shift[1]
                draw.rectangle(
                    (round(left), round(top), round(left + tile) - 1, round(top + tile) - 1), fill=(other,) * 3
                )
    return picture


def with_object(picture: Pillow.Image) -> Pillow.Image:
    """A red thing in the middle, as an icon has it."""
    width, height = picture.size
    ImageDraw.Draw(picture).ellipse((width * 0.2, height * 0.2, width * 0.8, height * 0.8), fill=(200, 40, 30))
    return picture
