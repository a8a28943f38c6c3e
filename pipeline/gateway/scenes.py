"""What a sketch shows: a dozen simple scenes, chosen by words of the prompt or by its hash."""

import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from pipeline.gateway.canvas import Canvas, Point
from pipeline.gateway.palettes import Colour, mix
from pipeline.gateway.patterns import rays, scales, tiles
from pipeline.gateway.products import bottle, box, mug, still_life, vase


def _ridge(canvas: Canvas, base: float, height: float, colour: Colour) -> None:
    """Rolling ground: the sum of three waves, filled down to the bottom edge."""
    random, width = canvas.random, canvas.width
    waves = [(random.uniform(0.6, 1.4) * k, random.uniform(0, math.tau), 1 / k) for k in (1, 2, 4)]
    steps = 48
    points: list[Point] = []
    for step in range(steps + 1):
        at = step / steps
        lift = sum(math.sin(at * math.tau * rate + phase) * share for rate, phase, share in waves)
        points.append((at * width, base - lift * height * 0.5))
    canvas.draw.polygon([*points, (width, canvas.height), (0, canvas.height)], fill=colour)


def _hills(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.high, palette.low)
    x = canvas.width * random.uniform(0.25, 0.75)
    canvas.disc(x, canvas.height * 0.36, canvas.unit * random.uniform(0.14, 0.22), palette.accent)
    for layer in range(4):
        share = layer / 3
        colour = mix(mix(palette.low, palette.middle, 0.55), palette.dark, share)
        _ridge(canvas, canvas.height * (0.5 + 0.15 * layer), canvas.unit * (0.12 - 0.01 * layer), colour)


def _mountains(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.high, palette.low)
    canvas.disc(
        canvas.width * random.uniform(0.2, 0.8),
        canvas.height * 0.26,
        canvas.unit * 0.11,
        mix(palette.accent, palette.paper, 0.25),
    )
    for layer in range(3):
        base = canvas.height * (0.78 + 0.1 * layer)
        colour = mix(palette.middle, palette.dark, layer / 2.2)
        for peak in range(3 + layer):
            x = canvas.width * (peak + random.uniform(0.0, 1.0)) / (2 + layer)
            tall = canvas.height * random.uniform(0.3, 0.5) * (1 - 0.22 * layer)
            _peak(canvas, x, base, tall, colour)
        canvas.draw.rectangle((0, base, canvas.width, canvas.height), fill=colour)


def _peak(canvas: Canvas, x: float, base: float, tall: float, colour: Colour) -> None:
    wide = tall * 0.85
    top = (x, base - tall)
    canvas.draw.polygon([top, (x + wide, base), (x - wide, base)], fill=colour)
    canvas.draw.polygon([top, (x + wide, base), (x + wide * 0.1, base)], fill=mix(colour, canvas.palette.dark, 0.35))
    cap = tall * 0.24
    side = wide * 0.24
    canvas.draw.polygon(
        [top, (x + side, top[1] + cap), (x + side * 0.3, top[1] + cap * 0.72), (x - side * 0.2, top[1] + cap * 1.1),
         (x - side * 0.55, top[1] + cap * 0.78), (x - side, top[1] + cap)],
        fill=canvas.palette.paper,
    )  # fmt: skip


def _sea(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.high, palette.low)
    horizon = canvas.height * random.uniform(0.52, 0.6)
    x, radius = canvas.width * random.uniform(0.35, 0.65), canvas.unit * 0.24
    canvas.disc(x, horizon - radius * 0.25, radius, palette.accent)
    canvas.draw.rectangle((0, horizon, canvas.width, canvas.height), fill=palette.middle)
    rows = 11
    for row in range(rows):
        depth = row / rows
        y = horizon + (canvas.height - horizon) * (depth**1.4) + canvas.unit * 0.012
        thick = max(1.0, canvas.unit * (0.006 + 0.014 * depth))
        half = radius * (1.0 - 0.65 * depth) * random.uniform(0.75, 1.1)
        shift = canvas.unit * random.uniform(-0.03, 0.03)
        canvas.draw.rounded_rectangle(
            (x - half + shift, y, x + half + shift, y + thick),
            radius=thick / 2,
            fill=mix(palette.accent, palette.low, 0.3),
        )
    sail = canvas.width * (0.2 if x > canvas.width / 2 else 0.8)
    _boat(canvas, sail, horizon + canvas.unit * 0.05, canvas.unit * 0.13)


def _boat(canvas: Canvas, x: float, y: float, tall: float) -> None:
    palette = canvas.palette
    canvas.draw.polygon([(x, y - tall), (x, y), (x + tall * 0.55, y)], fill=palette.paper)
    canvas.draw.polygon(
        [(x - tall * 0.07, y - tall * 0.85), (x - tall * 0.07, y), (x - tall * 0.4, y)], fill=palette.low
    )
    canvas.draw.polygon(
        [(x - tall * 0.55, y + tall * 0.06), (x + tall * 0.65, y + tall * 0.06), (x + tall * 0.45, y + tall * 0.26),
         (x - tall * 0.35, y + tall * 0.26)],
        fill=palette.dark,
    )  # fmt: skip


def _city(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.high, palette.low)
    canvas.disc(canvas.width * random.uniform(0.2, 0.8), canvas.height * 0.3, canvas.unit * 0.16, palette.accent)
    for layer in range(3):
        colour = mix(mix(palette.low, palette.middle, 0.7), palette.dark, layer / 2)
        x = -canvas.unit * random.uniform(0, 0.08)
        while x < canvas.width:
            wide = canvas.unit * random.uniform(0.08, 0.16)
            top = canvas.height * (0.38 + 0.14 * layer + random.uniform(0, 0.2))
            canvas.draw.rectangle((x, top, x + wide, canvas.height), fill=colour)
            if layer:
                _windows(canvas, x, top, wide, mix(palette.accent, palette.paper, 0.55))
            x += wide * (1.0 if layer < 2 else 1.25)


def _windows(canvas: Canvas, x: float, top: float, wide: float, colour: Colour) -> None:
    pane = wide / 7
    if pane < 1:
        return
    for row in range(1, int((canvas.height - top) / (pane * 2))):
        for column in (1, 3, 5):
            if canvas.random.random() < 0.45:
                left, upper = x + column * pane, top + row * pane * 2
                canvas.draw.rectangle((left, upper, left + pane, upper + pane), fill=colour)


def _leaves(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.low, mix(palette.high, palette.low, 0.3))
    canvas.disc(
        canvas.width * random.uniform(0.35, 0.65),
        canvas.height * 0.4,
        canvas.unit * 0.3,
        mix(palette.accent, palette.low, 0.35),
    )
    stems = 3 + round(canvas.width / canvas.unit)
    for stem in range(stems):
        x = canvas.width * (stem + 0.5 + random.uniform(-0.25, 0.25)) / stems
        colour = mix(palette.middle, palette.dark, random.choice((0.0, 0.4, 0.8)))
        _stem(canvas, x, canvas.unit * random.uniform(0.55, 0.85), colour)


def _stem(canvas: Canvas, x: float, tall: float, colour: Colour) -> None:
    lean = canvas.random.uniform(-0.25, 0.25)
    foot = canvas.height * 1.0
    pairs = 6
    canvas.draw.line([(x, foot), (x + lean * tall, foot - tall)], fill=colour, width=max(1, round(tall * 0.014)))
    for pair in range(1, pairs + 1):
        at = pair / pairs
        middle = (x + lean * tall * at, foot - tall * at)
        long = tall * 0.24 * (1.15 - at * 0.7)
        for side in (-1, 1):
            _leaf(canvas, middle, long, math.radians(-90 + side * (52 - 18 * at)) + lean * 0.8, colour)


def _leaf(canvas: Canvas, foot: Point, long: float, angle: float, colour: Colour) -> None:
    outline = [*_arc(foot, long, angle, 0.24), *reversed(list(_arc(foot, long, angle, -0.24)))]
    canvas.draw.polygon(outline, fill=colour)


def _arc(foot: Point, long: float, angle: float, bulge: float) -> Iterator[Point]:
    """One side of a leaf from its foot to its tip."""
    for step in range(9):
        at = step / 8
        along, across = at * long, math.sin(at * math.pi) * bulge * long
        yield (
            foot[0] + along * math.cos(angle) - across * math.sin(angle),
            foot[1] + along * math.sin(angle) + across * math.cos(angle),
        )


def _planets(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.dark, mix(palette.dark, palette.middle, 0.7))
    for _ in range(90):
        x, y = random.uniform(0, canvas.width), random.uniform(0, canvas.height)
        canvas.disc(x, y, max(0.5, canvas.unit * random.choice((0.0015, 0.002, 0.004))), palette.paper)
    x, y, radius = (
        canvas.width * random.uniform(0.4, 0.6),
        canvas.height * random.uniform(0.38, 0.5),
        canvas.unit * 0.24,
    )
    thick = max(1, round(radius * 0.09))
    ring = (x - radius * 1.75, y - radius * 0.42, x + radius * 1.75, y + radius * 0.42)
    canvas.draw.arc(ring, 180, 360, fill=palette.low, width=thick)
    canvas.disc(x, y, radius, palette.accent)
    canvas.draw.chord(
        (x - radius, y - radius, x + radius, y + radius), 20, 160, fill=mix(palette.accent, palette.dark, 0.28)
    )
    canvas.draw.chord(
        (x - radius, y - radius, x + radius, y + radius), 200, 300, fill=mix(palette.accent, palette.paper, 0.3)
    )
    canvas.draw.arc(ring, 0, 180, fill=palette.low, width=thick)
    canvas.disc(canvas.width * random.uniform(0.08, 0.2), canvas.height * 0.2, canvas.unit * 0.07, palette.high)


def _moon(canvas: Canvas) -> None:
    palette, random = canvas.palette, canvas.random
    canvas.sky(palette.high, palette.low)
    for _ in range(60):
        x, y = random.uniform(0, canvas.width), random.uniform(0, canvas.height * 0.6)
        canvas.disc(x, y, max(0.5, canvas.unit * random.choice((0.0015, 0.0025, 0.004))), palette.paper)
    x, y, radius = canvas.width * random.uniform(0.3, 0.7), canvas.height * 0.32, canvas.unit * 0.17
    canvas.disc(x, y, radius * 1.25, mix(palette.high, palette.accent, 0.25))
    canvas.disc(x, y, radius, palette.accent)
    for spot in range(3):
        canvas.disc(
            x + radius * 0.45 * math.cos(spot * 2.2 + 0.4), y + radius * 0.45 * math.sin(spot * 2.2 + 0.4),
            radius * (0.12 + 0.05 * spot), mix(palette.accent, palette.high, 0.22),
        )  # fmt: skip
    for layer in range(3):
        _ridge(
            canvas,
            canvas.height * (0.62 + 0.15 * layer),
            canvas.unit * 0.09,
            mix(palette.middle, palette.dark, layer / 2),
        )


Scene = Callable[[Canvas], None]

SCENES: tuple[Scene, ...] = (_hills, _mountains, _sea, _city, tiles, _leaves, _planets, rays, scales, still_life)
_NIGHT = re.compile(r"\b(night|moon|midnight|evening|dark|stars?)\b", re.IGNORECASE)
_WORDS: tuple[tuple[re.Pattern[str], Scene], ...] = tuple(
    (re.compile(rf"\b({words})\b", re.IGNORECASE), scene)
    for words, scene in (
        ("mug|cup|coffee|tea", partial(still_life, thing=mug)),
        ("bottle|perfume|wine|candle", partial(still_life, thing=bottle)),
        ("vase|bouquet|tulips?", partial(still_life, thing=vase)),
        ("box|package|packaging|gift", partial(still_life, thing=box)),
        ("packshot|product|studio|sneakers?|shoes?|lamp|chair|watch|bag", still_life),
        ("space|planet|galaxy|rocket|astronaut|orbit", _planets),
        ("moon|night|midnight|starry", _moon),
        ("mountain|mountains|alps|peak|snow", _mountains),
        ("sea|ocean|beach|island|lake|harbou?r|boat|ship|coast", _sea),
        ("city|street|skyline|building|town|tower|office", _city),
        ("forest|leaf|leaves|plant|garden|flower|botanical|jungle|tree", _leaves),
        ("pattern|fabric|textile|wallpaper|kimono", scales),
        ("abstract|geometric|bauhaus|poster|mosaic", tiles),
        ("field|hill|hills|meadow|sunset|sunrise|landscape|farm", _hills),
    )
)


def scene_of(prompt: str, random: Random) -> Scene:
    """The scene for a prompt: by its words, else by luck (seeded by the caller)."""
    lucky = random.choice(SCENES)
    return next((scene for words, scene in _WORDS if words.search(prompt)), lucky)


def is_night(prompt: str) -> bool:
    """Whether the prompt speaks of the night."""
    return _NIGHT.search(prompt) is not None
