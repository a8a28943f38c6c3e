"""How large a picture may be before anybody decodes it, and the error for one that cannot be used."""

from collections.abc import Iterable
from typing import Final

from pipeline.domain.errors import PipelineError
from pipeline.domain.image import Facts, Format

MAX_PIXELS: Final = 50_000_000
"""Pixels of a picture that is believed; a few kilobytes can claim gigabytes."""

MAX_SIDE: Final = 16_384
"""Pixels of one side; WebP's own bound is 16,383."""


class BrokenPicture(PipelineError):
    """These bytes are no whole picture that may be kept as one; the line says what they are."""


def facts_of(
    kind: Format, size: tuple[int, int], *, has_alpha: bool, max_pixels: int, notes: Iterable[str] = ()
) -> Facts:
    """The facts of a picture of *size* (width, height). Raises BrokenPicture when it is out of bounds."""
    width, height = size
    name = kind.value.upper()
    if not width or not height:
        raise BrokenPicture(f"{name} of {width}x{height} pixels: a picture needs both")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > max_pixels:
        bounds = f"{MAX_SIDE} on a side and {max_pixels} in all"
        raise BrokenPicture(f"{name} claims {width}x{height} pixels: what is decoded has at most {bounds}")
    return Facts(format=kind, width=width, height=height, has_alpha=has_alpha, notes=tuple(notes))
