"""Sizes: what is legal, and what ``auto`` becomes."""

import re

from pipeline.gateway.errors import IMAGE_USER, ApiError, bad
from pipeline.gateway.models import has_fixed_sizes
from pipeline.gateway.profiles import Profile

STANDARD = ("1024x1024", "1536x1024", "1024x1536")
LONGEST_EDGE = 8192
"""No dialect draws more: a picture of this size is 256 MiB of pixels already."""

_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")
_WIDE = re.compile(r"\b(landscape|panorama|wide|banner|16:9|3:2)\b", re.IGNORECASE)
_TALL = re.compile(r"\b(portrait|poster|tall|vertical|9:16|2:3)\b", re.IGNORECASE)
_LEAST, _MOST, _EDGE = 655_360, 8_294_400, 3840
_EDGE_2K = 2048


def _refused(size: str, why: str) -> ApiError:
    return bad(f"Invalid size '{size}'. {why}", param="size", code="invalid_value", kind=IMAGE_USER)


def parse_size(size: str, model: str, profile: Profile) -> tuple[int, int] | None:
    """Width and height in pixels of a size as asked; None for ``auto``. Raises ApiError (400)."""
    if size == "auto":
        return None
    match = _SIZE.fullmatch(size)
    if match is None:
        raise _refused(size, "Use 'auto' or WIDTHxHEIGHT, for example '1024x1024'.")
    width, height = int(match[1]), int(match[2])
    if min(width, height) < 1:
        raise _refused(size, "Width and height must be at least 1.")
    if max(width, height) > LONGEST_EDGE:
        raise _refused(size, f"The longest edge must be less than or equal to {LONGEST_EDGE}.")
    match profile.sizes:
        case "openai" if has_fixed_sizes(model):
            _check_fixed(size)
        case "openai":
            _check_openai(size, width, height)
        case "2k" if max(width, height) > _EDGE_2K:
            raise _refused(size, f"The longest edge must be less than or equal to {_EDGE_2K}.")
        case _:
            pass
    return width, height


def _check_fixed(size: str) -> None:
    if size not in STANDARD:
        raise _refused(size, "Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.")


def _check_openai(size: str, width: int, height: int) -> None:
    short, long = sorted((width, height))
    if long > _EDGE:
        raise _refused(size, f"The longest edge must be less than or equal to {_EDGE}.")
    if width % 16 or height % 16:
        raise _refused(size, "Width and height must both be divisible by 16.")
    if long > 3 * short:
        raise _refused(size, "The aspect ratio must be between 1:3 and 3:1.")
    if width * height < _LEAST:
        raise _refused(size, "Requested resolution is below the current minimum pixel budget.")
    if width * height > _MOST:
        raise _refused(size, "Requested resolution is above the current maximum pixel budget.")


def auto_size(prompt: str, first: tuple[int, int] | None) -> tuple[int, int]:
    """The standard size that ``auto`` becomes: by the shape of the *first* input, else by words of the prompt."""
    if first is not None:
        ratio = first[0] / first[1]
        wide, tall = ratio > 1.2, ratio < 1 / 1.2
    else:
        wide, tall = bool(_WIDE.search(prompt)), bool(_TALL.search(prompt))
    if wide == tall:
        return 1024, 1024
    return (1536, 1024) if wide else (1024, 1536)
