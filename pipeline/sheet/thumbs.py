"""Thumbnails as small WebP files, made once per picture, and the contact sheet for chat tools."""

import base64
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont, UnidentifiedImageError

from pipeline.domain.digest import Digest

SIDE = 320
"""Pixels of a thumbnail's longer edge."""

QUALITY = 78
FOLDER = "thumbs"
WORKERS = max(1, min(4, os.cpu_count() or 1))


def thumb_path(digest: Digest) -> str:
    """Where a picture's thumbnail lies, relative to the page."""
    return f"{FOLDER}/{digest[:24]}.webp"


def make_thumbs(folder: Path, pictures: Mapping[Digest, Path]) -> set[Digest]:
    """Makes the thumbnails that are not there yet; gives the pictures that have one. Blocks.

    Several threads: decoding and scaling give up the interpreter's lock. A picture that is gone or does not decode has
    no thumbnail and shows its state instead.
    """
    missing = [(digest, path) for digest, path in pictures.items() if not (folder / thumb_path(digest)).exists()]
    if missing:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda item: _make(item[1], folder / thumb_path(item[0])), missing))
    return {digest for digest in pictures if (folder / thumb_path(digest)).exists()}


def _make(source: Path, target: Path) -> None:
    try:
        with Pillow.open(source, formats=("PNG", "JPEG", "WEBP", "GIF")) as picture:
            picture.draft("RGB", (SIDE, SIDE))
            picture.thumbnail((SIDE, SIDE), reducing_gap=2.0)
            small = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        small.save(part, "WEBP", quality=QUALITY, method=2)
        part.replace(target)
    except (OSError, UnidentifiedImageError, ValueError, Pillow.DecompressionBombError):
        return


def as_data_url(path: Path) -> str:
    """A thumbnail inlined, for a page in a single file; empty when it is gone."""
    try:
        return "data:image/webp;base64," + base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return ""


def contact_sheet(target: Path, tiles: Sequence[tuple[str, Path]], most: int = 240) -> Path | None:
    """One PNG with the first *most* thumbnails and their names, for places that show no HTML. Blocks.

    None when there is no picture. An older sheet is replaced.
    """
    chosen = tiles[:most]
    if not chosen:
        return None
    columns = min(8, max(1, math.ceil(math.sqrt(len(chosen) * 1.6))))
    rows = math.ceil(len(chosen) / columns)
    cell, label = 180, 20
    sheet = Pillow.new("RGB", (columns * cell + 10, rows * (cell + label) + 10), (246, 245, 242))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=11)
    for number, (name, path) in enumerate(chosen):
        left, top = 10 + number % columns * cell, 10 + number // columns * (cell + label)
        _paste(sheet, path, (left, top), cell - 10)
        draw.text((left, top + cell - 8), _fitting(name), fill=(60, 58, 54), font=font)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    sheet.save(part, "PNG", compress_level=6)
    if target.exists() and target.read_bytes() == part.read_bytes():
        part.unlink()
    else:
        part.replace(target)
    return target


def _paste(sheet: Pillow.Image, path: Path, at: tuple[int, int], side: int) -> None:
    try:
        with Pillow.open(path) as thumb:
            thumb.thumbnail((side, side))
            left, top = at[0] + (side - thumb.width) // 2, at[1] + (side - thumb.height) // 2
            small = thumb.convert("RGBA")
            sheet.paste(small, (left, top), small)
    except (OSError, UnidentifiedImageError):
        return


def _fitting(name: str, most: int = 28) -> str:
    """A name in the letters the built-in font has, its end kept: that is what tells tiles apart."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return plain if len(plain) <= most else ".." + plain[-most + 2 :]


def existing(folder: Path, digests: Iterable[Digest]) -> dict[Digest, str]:
    """Thumbnail paths of the pictures that have one."""
    return {digest: thumb_path(digest) for digest in digests if (folder / thumb_path(digest)).exists()}
