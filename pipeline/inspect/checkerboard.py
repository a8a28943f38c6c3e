"""Finds the grey checkerboard of image editors where a model painted it instead of leaving the background clear.

A line of pixels close to a border of the picture is read and split into two greys. A board shows in it as stretches of
equal length that alternate; one tile further in the same line must show the opposite grey, and two tiles further in
the same one again. Both together tell a board from stripes, fences, rulers and plain noise. Boards that a model
painted are not exact: tiles of 21 and 22 pixels alternate, JPEG leaves ringing, an object covers part of a side.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from PIL import Image as Pillow

_SIDES: Final = 2
"""Sides of the picture that must show the board: an object may cover the others."""

_DEPTHS: Final = (0.012, 0.03, 0.06)
_LONGEST_LINE: Final = 4096
_SMALLEST_TILE: Final = 3
_LEAST_RUNS: Final = 6
_GREY: Final = 14
"""How far the channels of a grey may lie apart; models tint their greys a little."""

_DARKEST: Final = 50
_CONTRAST: Final = range(6, 140)
_NEAR: Final = 24
_COVERED: Final = 0.6
_REGULAR: Final = 0.7
_AGREED: Final = 0.8
_OTHER: Final = -1


def is_painted(picture: Pillow.Image) -> bool:
    """Whether a loaded picture has a painted checkerboard along at least two of its sides. A few milliseconds."""
    found = 0
    for number, strip in enumerate(_strips(picture)):
        found += _top_shows(strip, picture)
        if found >= _SIDES:
            return True
        if found + 3 - number < _SIDES:
            return False
    return False


def _strips(picture: Pillow.Image) -> Iterator[Pillow.Image]:
    """The four sides in turn, each lying on top; a third of the picture at a time keeps memory low."""
    width, height = picture.size
    deep, broad = -(-height * 2 // 5), -(-width * 2 // 5)
    turns = Pillow.Transpose
    yield picture.crop((0, 0, width, deep)).convert("RGBA")
    yield picture.crop((0, height - deep, width, height)).convert("RGBA").transpose(turns.ROTATE_180)
    yield picture.crop((0, 0, broad, height)).convert("RGBA").transpose(turns.TRANSPOSE)
    yield picture.crop((width - broad, 0, width, height)).convert("RGBA").transpose(turns.TRANSVERSE)


def _top_shows(strip: Pillow.Image, picture: Pillow.Image) -> bool:
    side = min(picture.size)
    depths = sorted({max(1, int(side * depth)) for depth in _DEPTHS})
    return any(_row_shows(strip, depth) for depth in depths if depth < strip.height)


def _row_shows(picture: Pillow.Image, row: int) -> bool:
    greys = _greys(picture, row)
    levels = _levels(greys)
    if levels is None:
        return False
    bits = _bits(greys, levels)
    tile = _tile(bits)
    if tile is None:
        return False
    opposite = _compared(picture, row + tile, levels, bits)
    same = _compared(picture, row + 2 * tile, levels, bits)
    return opposite is not None and same is not None and opposite <= 1 - _AGREED and same >= _AGREED


def _greys(picture: Pillow.Image, row: int) -> list[int]:
    """The middle of a row as greys; -1 for coloured and for transparent pixels."""
    left = max(0, (picture.width - _LONGEST_LINE) // 2)
    line = picture.crop((left, row, min(picture.width, left + _LONGEST_LINE), row + 1)).tobytes()
    pixels = zip(line[0::4], line[1::4], line[2::4], line[3::4], strict=True)
    return [
        (red + 2 * green + blue) // 4
        if alpha == 255 and max(red, green, blue) - min(red, green, blue) <= _GREY
        else _OTHER
        for red, green, blue, alpha in pixels
    ]


def _levels(greys: Sequence[int]) -> tuple[int, int] | None:
    """The two greys that make up most of a line, darker first; None when there are no such two."""
    counts = [0] * 256
    for grey in greys:
        if grey != _OTHER:
            counts[grey] += 1
    first = _peak(counts)
    rest = [0 if abs(grey - first) < _CONTRAST.start else count for grey, count in enumerate(counts)]
    second = _peak(rest)
    dark, light = sorted((first, second))
    if dark < _DARKEST or light - dark not in _CONTRAST:
        return None
    near = min(_NEAR, (light - dark) // 2 + 2)
    covered = sum(counts[max(0, dark - near) : dark + near + 1]) + sum(
        counts[max(dark + near + 1, light - near) : light + near + 1]
    )
    return (dark, light) if covered >= _COVERED * len(greys) else None


def _peak(counts: Sequence[int]) -> int:
    """The grey with the most pixels within two of it."""
    return max(range(256), key=lambda grey: sum(counts[max(0, grey - 2) : grey + 3]))


def _bits(greys: Sequence[int], levels: tuple[int, int]) -> list[int]:
    """0 for the darker grey, 1 for the lighter, -1 for neither."""
    dark, light = levels
    middle = (dark + light) / 2
    near = min(_NEAR, (light - dark) // 2 + 2)
    return [
        _OTHER if grey == _OTHER or grey < dark - near or grey > light + near else int(grey > middle) for grey in greys
    ]


def _tile(bits: Sequence[int]) -> int | None:
    """The length in pixels of the stretches a line alternates in; None when they are not of one length."""
    runs = list(_runs(bits))
    inner = sorted(length for value, length in runs[1:-1] if value != _OTHER and length >= _SMALLEST_TILE)
    if len(inner) < _LEAST_RUNS - 2:
        return None
    tile = inner[len(inner) // 2]
    slack = max(1.5, 0.25 * tile)
    regular = [length for length in inner if abs(length - tile) <= slack]
    covered = sum(length for _, length in runs if length >= _SMALLEST_TILE)
    outer = sum(length for _, length in (runs[0], runs[-1]) if length <= tile + slack)
    if sum(regular) + outer < _REGULAR * covered or sum(regular) + outer < len(bits) / 2:
        return None
    return round(sum(regular) / len(regular))


def _runs(bits: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Stretches of one value and their lengths; specks of one or two pixels belong to the stretch around them."""
    value, length = _OTHER, 0
    for bit, group in groupby(bits):
        size = sum(1 for _ in group)
        if bit == value or (length and size < _SMALLEST_TILE):
            length += size
            continue
        if length:
            yield value, length
        value, length = bit, size
    yield value, length


def _compared(picture: Pillow.Image, row: int, levels: tuple[int, int], bits: Sequence[int]) -> float | None:
    """The part of a row that agrees with *bits*, where both are one of the two greys; None when too little is."""
    if row >= picture.height:
        return None
    others = _bits(_greys(picture, row), levels)
    pairs = [(mine, theirs) for mine, theirs in zip(bits, others, strict=True) if _OTHER not in {mine, theirs}]
    if len(pairs) < len(bits) / 3:
        return None
    return sum(mine == theirs for mine, theirs in pairs) / len(pairs)
