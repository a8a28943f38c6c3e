"""What a sketch shows on a transparent background: one emblem, drawn as its colour and its outline at once."""

import math
import re
from collections.abc import Callable
from random import Random

from PIL import Image, ImageDraw

from pipeline.gateway.palettes import Colour, Palette, mix

Emblem = Callable[[ImageDraw.ImageDraw, Palette, float, float, float], None]
"""Draws around x, y within a radius."""


def _polygon(x: float, y: float, radius: float, corners: int, inner: float) -> list[tuple[float, float]]:
    """A star of *corners* points, or a regular polygon when *inner* is 1."""
    points = []
    for corner in range(corners * 2):
        reach = radius if corner % 2 == 0 else radius * inner
        angle = math.pi * corner / corners - math.pi / 2
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(*colour, 255))


def _star(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    for share, colour in (
        (1.0, palette.dark),
        (0.88, palette.accent),
        (0.55, mix(palette.accent, palette.paper, 0.55)),
    ):
        draw.polygon(_polygon(x, y, radius * share, 5, 0.5), fill=(*colour, 255))


def _shield(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    for share, colour in ((1.0, palette.dark), (0.88, palette.middle), (0.7, palette.high)):
        r = radius * share
        outline = [(x - 0.8 * r, y - 0.85 * r), (x, y - r), (x + 0.8 * r, y - 0.85 * r)]
        for step in range(9):
            angle = math.pi / 2 * step / 8
            outline.append((x + 0.8 * r * math.cos(angle), y + r * math.sin(angle)))
        for step in range(9):
            angle = math.pi / 2 * (1 + step / 8)
            outline.append((x + 0.8 * r * math.cos(angle), y + r * math.sin(angle)))
        draw.polygon(outline, fill=(*colour, 255))
    draw.polygon(_polygon(x, y - radius * 0.05, radius * 0.38, 4, 0.42), fill=(*palette.accent, 255))


def _gem(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    r = radius
    girdle = y - r * 0.32
    left, right, top = x - r * 0.95, x + r * 0.95, y - r * 0.8
    crown = [(x - r * 0.55, top), (x + r * 0.55, top), (right, girdle), (x, y + r * 0.95), (left, girdle)]
    draw.polygon(crown, fill=(*palette.accent, 255))
    facets = (
        ([(left, girdle), (x - r * 0.4, girdle), (x, y + r * 0.95)], mix(palette.accent, palette.dark, 0.3)),
        ([(right, girdle), (x + r * 0.4, girdle), (x, y + r * 0.95)], mix(palette.accent, palette.dark, 0.5)),
        (
            [(x - r * 0.55, top), (x, top), (x - r * 0.4, girdle), (left, girdle)],
            mix(palette.accent, palette.paper, 0.55),
        ),
        (
            [(x, top), (x + r * 0.55, top), (right, girdle), (x + r * 0.4, girdle)],
            mix(palette.accent, palette.paper, 0.25),
        ),
    )
    for points, colour in facets:
        draw.polygon(points, fill=(*colour, 255))
    draw.line([*crown, crown[0]], fill=(*palette.dark, 255), width=max(1, round(r * 0.06)), joint="curve")


def _potion(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    r = radius
    body = y + r * 0.28
    _disc(draw, x, body, r * 0.7, palette.dark)
    draw.rectangle((x - r * 0.28, y - r * 0.75, x + r * 0.28, body), fill=(*palette.dark, 255))
    _disc(draw, x, body, r * 0.6, mix(palette.high, palette.paper, 0.5))
    draw.rectangle((x - r * 0.18, y - r * 0.7, x + r * 0.18, body), fill=(*mix(palette.high, palette.paper, 0.5), 255))
    draw.chord((x - r * 0.6, body - r * 0.6, x + r * 0.6, body + r * 0.6), -5, 185, fill=(*palette.accent, 255))
    draw.rounded_rectangle(
        (x - r * 0.34, y - r * 0.98, x + r * 0.34, y - r * 0.68), radius=r * 0.08, fill=(*palette.middle, 255)
    )
    _disc(draw, x - r * 0.2, body + r * 0.2, r * 0.09, palette.paper)
    _disc(draw, x + r * 0.18, body + r * 0.32, r * 0.06, palette.paper)


def _sword(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    def turned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        cos, sin = math.cos(math.pi / 4), math.sin(math.pi / 4)
        return [(x + (a * cos - b * sin) * radius, y + (a * sin + b * cos) * radius) for a, b in points]

    steel = mix(palette.paper, palette.high, 0.35)
    shapes = (
        ([(-0.18, 0.5), (-0.18, -0.75), (0, -1.0), (0.18, -0.75), (0.18, 0.5)], palette.dark),
        ([(-0.11, 0.5), (-0.11, -0.72), (0, -0.88), (0, 0.5)], steel),
        ([(0, 0.5), (0, -0.88), (0.11, -0.72), (0.11, 0.5)], mix(steel, palette.dark, 0.3)),
        ([(-0.5, 0.38), (0.5, 0.38), (0.5, 0.56), (-0.5, 0.56)], palette.accent),
        ([(-0.1, 0.56), (0.1, 0.56), (0.1, 0.9), (-0.1, 0.9)], palette.middle),
        ([(-0.17, 0.86), (0.17, 0.86), (0.17, 1.04), (-0.17, 1.04)], palette.accent),
    )
    for points, colour in shapes:
        draw.polygon(turned(points), fill=(*colour, 255))


def _badge(draw: ImageDraw.ImageDraw, palette: Palette, x: float, y: float, radius: float) -> None:
    draw.polygon(_polygon(x, y, radius, 18, 0.9), fill=(*palette.dark, 255))
    for share, colour in ((0.8, palette.paper), (0.74, palette.middle)):
        _disc(draw, x, y, radius * share, colour)
    r = radius * 0.62
    draw.polygon(
        [(x - r, y + r * 0.45), (x - r * 0.3, y - r * 0.55), (x + r * 0.4, y + r * 0.45)], fill=(*palette.paper, 255)
    )
    draw.polygon(
        [(x - r * 0.1, y + r * 0.45), (x + r * 0.42, y - r * 0.2), (x + r, y + r * 0.45)], fill=(*palette.low, 255)
    )
    _disc(draw, x + r * 0.45, y - r * 0.52, r * 0.2, palette.accent)


EMBLEMS: tuple[Emblem, ...] = (_star, _shield, _gem, _potion, _sword, _badge)
_WORDS: tuple[tuple[re.Pattern[str], Emblem], ...] = tuple(
    (re.compile(rf"\b({words})", re.IGNORECASE), emblem)
    for words, emblem in (
        ("sword|blade|dagger|knife|axe|weapon|bow", _sword),
        ("potion|bottle|flask|elixir|perfume", _potion),
        ("gem|crystal|jewel|diamond|ruby|coin", _gem),
        ("shield|armou?r|helmet|crest", _shield),
        ("star|medal|award|favou?rite", _star),
        ("logo|badge|sticker|emblem|mountain", _badge),
    )
)


def draw_emblem(picture: Image.Image, palette: Palette, prompt: str, random: Random, share: float) -> None:
    """Draws one emblem in the middle of the upper *share* of an RGBA picture; nothing else is touched."""
    lucky = random.choice(EMBLEMS)
    emblem = next((emblem for words, emblem in _WORDS if words.search(prompt)), lucky)
    width, height = picture.size
    radius = min(width, height * share) * random.uniform(0.36, 0.42)
    emblem(ImageDraw.Draw(picture), palette, width / 2, height * share / 2, radius)
