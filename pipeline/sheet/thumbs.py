"""Thumbnails: small WebP files in ``thumbs/``, named by the picture's digest, made once."""

import base64
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from PIL import Image as Pillow
from PIL import ImageOps

from pipeline.domain.digest import Digest
from pipeline.domain.temporary import is_temporary, temporary_name

FOLDER: Final = "thumbs"
SIDE: Final = 320
"""Pixels of the longer side."""

_QUALITY: Final = 76
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
_LARGEST: Final = 256 * 1024 * 1024
"""Bytes of a file that is opened."""

_THUMB: Final = re.compile(r"[0-9a-f]{64}\.webp")


def thumb_path(digest: Digest) -> str:
    """Where a picture's thumbnail lies, relative to the page."""
    return f"{FOLDER}/{digest}.webp"


def never() -> bool:
    """Nobody is in a hurry."""
    return False


def make_thumbs(
    folder: Path,
    digests: Iterable[Digest],
    find: Callable[[Digest], Path | None],
    hurried: Callable[[], bool] = never,
) -> frozenset[Digest]:
    """Makes the thumbnails that are not there yet under *folder*; gives the pictures that have one. Blocks.

    find: the file with a picture's bytes; None when it is gone. hurried: asked before each picture; once it says so,
    no more are made, and the next sheet makes the rest. Decoding and scaling leave the interpreter's lock, so that
    threads use every core; a picture that is gone, broken or no picture has no thumbnail and stops nothing.
    Raises OSError when the folder cannot be written.
    """
    place = folder / FOLDER
    there = {path.name for path in place.iterdir()} if place.is_dir() else set()
    wanted = list(dict.fromkeys(digests))
    missing = [digest for digest in wanted if f"{digest}.webp" not in there]
    made: set[Digest] = set()
    if missing:
        place.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
            done = pool.map(lambda digest: not hurried() and _make(find(digest), place / f"{digest}.webp"), missing)
            made = {digest for digest, is_made in zip(missing, done, strict=True) if is_made}
    return frozenset(digest for digest in wanted if digest in made or f"{digest}.webp" in there)


def drop_thumbs(folder: Path, keep: Iterable[Digest]) -> int:
    """Removes thumbnails that the page shows no more, and what a killed process left; says how many files went.

    Files that are none of ours stay.
    """
    place = folder / FOLDER
    kept = {f"{digest}.webp" for digest in keep}
    found = list(place.iterdir()) if place.is_dir() else []
    stray = [path for path in found if path.name not in kept and _is_ours(path.name) and path.is_file()]
    for path in stray:
        path.unlink(missing_ok=True)
    return len(stray)


def inlined(path: Path) -> str:
    """A thumbnail as a ``data:`` URI; empty when it cannot be read."""
    try:
        return "data:image/webp;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError:
        return ""


def _is_ours(name: str) -> bool:
    return _THUMB.fullmatch(name) is not None or is_temporary(name)


def _make(source: Path | None, target: Path) -> bool:
    small = _small(source) if source is not None else None
    if small is None:
        return False
    part = target.with_name(temporary_name())
    try:
        small.save(part, "WEBP", quality=_QUALITY, method=2)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return True


def _small(source: Path) -> Pillow.Image | None:
    """The picture upright and at most `SIDE` wide and high; None when it is no whole picture."""
    try:
        if not source.is_file() or source.stat().st_size > _LARGEST:
            return None
        with Pillow.open(source, formats=_FORMATS) as picture:
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))
            plain = picture if picture.mode in {"RGB", "RGBA"} else _in_colour(picture)
            # Averaging whole pixels first: 12 ms of CPU a megapixel instead of 35.
            plain.thumbnail((SIDE, SIDE), Pillow.Resampling.LANCZOS, reducing_gap=1.0)
            ImageOps.exif_transpose(plain, in_place=True)
            return plain.copy()
    except Exception:  # noqa: BLE001 -- decoders raise what they like for bytes that are no picture
        return None


def _in_colour(picture: Pillow.Image) -> Pillow.Image:
    """The picture without palette and in 8 bits; what it says of its orientation stays."""
    turned = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    turned.info.update(picture.info)
    return turned
