"""Colours that go well together."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Five colours of one poster: from the top of the sky to the darkest foreground."""

    high: Colour
    low: Colour
    accent: Colour
    middle: Colour
    dark: Colour
    paper: Colour = (250, 246, 236)


def _palette(*codes: str) -> Palette:
    high, low, accent, middle, dark = ((int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)) for code in codes)
    return Palette(high=high, low=low, accent=accent, middle=middle, dark=dark)


PALETTES: tuple[Palette, ...] = (
    _palette("f7a072", "fde8c9", "e4572e", "b5656b", "2b2d42"),
    _palette("8ecae6", "e9f5f9", "ffb703", "219ebc", "023047"),
    _palette("f4d6cc", "fbf3ec", "d1495b", "8fb8a8", "1d3d47"),
    _palette("cdb4db", "fff0f5", "ff8fab", "8e7dbe", "33294f"),
    _palette("a8dadc", "f1faee", "e63946", "457b9d", "1d3557"),
    _palette("e9c46a", "fdf6e3", "e76f51", "2a9d8f", "264653"),
    _palette("d8e2dc", "fff8f0", "f28482", "84a59d", "3d405b"),
    _palette("b7e4c7", "f4fbf3", "f4a259", "52a67d", "1b4332"),
    _palette("ffc8a2", "fff4e0", "f2545b", "a93f55", "19323c"),
    _palette("bcd4f6", "f7f4ff", "ffd166", "6c7fd8", "2b2e5f"),
    _palette("f6c9d8", "fef6f0", "ef6f6c", "56a3a6", "2e3a59"),
    _palette("e6dfc8", "faf7ee", "c1666b", "a39a6b", "3b3a36"),
    _palette("9ad1d4", "fdf7e6", "f76c5e", "3c7a89", "16262e"),
    _palette("fbd87f", "fff8e1", "3f88c5", "d65a31", "2d2a32"),
)

NIGHTS: tuple[Palette, ...] = (
    _palette("10163a", "4b3f8f", "ffd97d", "2d2a6e", "0a0c22"),
    _palette("0b2545", "2f6690", "f8e9a1", "134074", "06142a"),
    _palette("231942", "8f5f9e", "ffc9b9", "4a2f73", "120c26"),
    _palette("0f2e2e", "2f7f73", "fbe8a6", "1c5450", "071a1b"),
)


NAMED: Mapping[str, Colour] = {
    "red": (214, 64, 69),
    "crimson": (176, 32, 52),
    "orange": (240, 137, 62),
    "yellow": (246, 200, 74),
    "gold": (224, 172, 60),
    "golden": (224, 172, 60),
    "green": (76, 153, 97),
    "emerald": (24, 138, 104),
    "teal": (32, 134, 134),
    "turquoise": (64, 190, 186),
    "blue": (58, 110, 190),
    "navy": (34, 52, 102),
    "purple": (122, 84, 170),
    "violet": (140, 96, 190),
    "pink": (240, 138, 168),
    "brown": (134, 94, 66),
    "beige": (222, 204, 176),
    "silver": (186, 194, 204),
    "grey": (140, 146, 154),
    "gray": (140, 146, 154),
    "black": (52, 54, 62),
    "white": (236, 238, 240),
}
_NAMED = re.compile(rf"\b({'|'.join(NAMED)})\b", re.IGNORECASE)


def coloured(palette: Palette, prompt: str) -> Palette:
    """The palette with the first colour the prompt names as its accent."""
    named = _NAMED.search(prompt)
    return replace(palette, accent=NAMED[named[1].lower()]) if named else palette


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour *share* (0 to 1) of the way from *first* to *second*."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def is_light(colour: Colour) -> bool:
    """Whether dark text reads better on it than white text."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue > 150
