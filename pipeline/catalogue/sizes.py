"""Picture sizes: reading them, telling whether a rule allows one, and finding the nearest that it allows."""

import math
import re
from functools import lru_cache

from pipeline.catalogue.entries import GridRule, Sizes

SIZE = re.compile(r"\s*(\d{1,6})\s*[xX*\u00d7\u2715]\s*(\d{1,6})\s*")
EXACT = re.compile(r"[1-9]\d*x[1-9]\d*")
RATIO = re.compile(r"\s*(\d{1,4})\s*:\s*(\d{1,4})\s*")
EDGE = re.compile(r"\s*(\d{1,6})\s*(?:px)?\s*")
TIER = re.compile(r"\s*([1-8]|0\.5)[kK]\s*")

Edges = tuple[int, int]
"""Width and height in pixels."""


def edges(size: str) -> Edges:
    """Width and height of a legal ``WxH``. Raises ValueError for anything else."""
    width, _, height = size.partition("x")
    return int(width), int(height)


def text(size: Edges) -> str:
    """``WxH`` as it is sent."""
    return f"{size[0]}x{size[1]}"


def meant(value: object) -> Edges | None:
    """The size a person may have meant: ``1920*1080``, ``1024``, ``16:9``, ``2K``; None when it cannot be told."""
    written = str(value)
    if found := SIZE.fullmatch(written):
        width, height = int(found[1]), int(found[2])
    elif found := RATIO.fullmatch(written):
        # A ratio alone says nothing of the number of pixels; about one megapixel is what the standard sizes have.
        width = round(1024 * math.sqrt(max(1, int(found[1])) / max(1, int(found[2]))))
        height = round(1024 * math.sqrt(max(1, int(found[2])) / max(1, int(found[1]))))
    elif found := EDGE.fullmatch(written):
        width = height = int(found[1])
    elif found := TIER.fullmatch(written):
        width = height = round(1024 * float(found[1]))
    else:
        return None
    return max(1, width), max(1, height)


def fault(rule: GridRule, size: Edges) -> str:
    """Why *rule* refuses *size*; empty when it is legal."""
    width, height = size
    pixels = width * height
    least, most = rule.pixels
    if max(size) > rule.longest:
        return f"the longest edge is {rule.longest} at most"
    if width % rule.multiple or height % rule.multiple:
        return f"both edges must be multiples of {rule.multiple}"
    if max(size) > rule.ratio * min(size):
        return f"the ratio is {rule.ratio:g}:1 at most"
    if pixels < least:
        return f"{pixels:,} pixels are fewer than {least:,}"
    if pixels > most:
        return f"{pixels:,} pixels are more than {most:,}"
    return ""


def is_legal(sizes: Sizes, value: object) -> bool:
    """Whether a request with this ``size`` is taken (documented or not)."""
    if value == "auto":
        return bool(sizes.auto)
    if not isinstance(value, str) or not EXACT.fullmatch(value):
        return False
    if sizes.rule is None:
        return value in sizes.listed
    return not fault(sizes.rule, edges(value))


def nearest(sizes: Sizes, value: object) -> str:
    """The legal size closest to what was written, in shape above all; a standard one when nothing can be told."""
    wanted = meant(value)
    if sizes.rule is None:
        if wanted is None or not sizes.listed:
            return sizes.listed[0] if sizes.listed else "auto"
        return min(sizes.listed, key=lambda size: _distance(edges(size), wanted, shape=4))
    return text(_on_grid(sizes.rule, wanted or (1024, 1024)))


def _distance(size: Edges, wanted: Edges, shape: float) -> float:
    """How far one size is from another: by each edge, and by the ratio as much as *shape* says."""
    wide = math.log(size[0] / wanted[0])
    high = math.log(size[1] / wanted[1])
    return wide * wide + high * high + shape * (wide - high) ** 2


@lru_cache(maxsize=256)
def _on_grid(rule: GridRule, wanted: Edges) -> Edges:
    """The whole grid is looked at (57,600 sizes for gpt-image-2, some 40 ms): only a mistake pays for it, once."""
    steps = range(rule.multiple, rule.longest + 1, rule.multiple)
    legal = ((wide, high) for wide in steps for high in steps if not fault(rule, (wide, high)))
    # The shape counts for half: 512x512 stays square, yet 1920x1080 keeps its width and becomes 1920x1088.
    return min(legal, key=lambda size: _distance(size, wanted, shape=0.5))
