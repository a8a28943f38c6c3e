"""Still lifes: what product prompts are drawn as."""

from collections.abc import Callable
from typing import TypeAlias

from pipeline.gateway.canvas import Canvas
from pipeline.gateway.palettes import mix

Thing: TypeAlias = Callable[[Canvas, float, float, float], None]
"""Draws something of a height on a place."""


def still_life(canvas: Canvas, thing: Thing | None = None) -> None:
    """A thing on a plinth in studio light: what most product prompts are about. None: any thing."""
    palette, random = canvas.palette, canvas.random
    canvas.sky(mix(palette.high, palette.low, random.uniform(0.2, 0.7)), palette.low)
    floor = canvas.height * random.uniform(0.64, 0.71)
    glow = (canvas.width * random.uniform(0.4, 0.6), canvas.height * random.uniform(0.34, 0.44))
    canvas.disc(*glow, canvas.unit * random.uniform(0.3, 0.4), mix(palette.high, palette.paper, 0.35))
    canvas.draw.rectangle((0, floor, canvas.width, canvas.height), fill=mix(palette.middle, palette.low, 0.35))
    x, half = canvas.width * random.uniform(0.44, 0.56), canvas.unit * random.uniform(0.24, 0.29)
    top, side = floor - canvas.unit * 0.02, mix(palette.paper, palette.middle, 0.25)
    shade = sorted((x + half * random.choice((-1.6, 1.6)), x + half * 0.3))
    canvas.draw.ellipse((shade[0], top + half * 0.32, shade[1], top + half * 0.85), fill=mix(side, palette.dark, 0.5))
    canvas.draw.rectangle((x - half, top, x + half, top + half * 0.42), fill=side)
    canvas.draw.ellipse((x - half, top + half * 0.2, x + half, top + half * 0.64), fill=side)
    canvas.draw.ellipse((x - half, top - half * 0.22, x + half, top + half * 0.22), fill=palette.paper)
    thing = thing or random.choice(THINGS)
    thing(canvas, x, top + half * 0.04, canvas.unit * random.uniform(0.39, 0.46))


def bottle(canvas: Canvas, x: float, y: float, tall: float) -> None:
    """A bottle that stands on x, y."""
    palette, wide = canvas.palette, tall * 0.2
    draw = canvas.draw
    draw.rounded_rectangle(
        (x - wide * 0.42, y - tall, x + wide * 0.42, y - tall * 0.6), radius=wide * 0.2, fill=palette.dark
    )
    draw.rounded_rectangle((x - wide, y - tall * 0.74, x + wide, y), radius=wide * 0.5, fill=palette.accent)
    draw.rectangle((x - wide, y - tall * 0.45, x + wide, y - tall * 0.17), fill=palette.paper)
    draw.ellipse((x - wide * 0.35, y - tall * 0.38, x + wide * 0.35, y - tall * 0.24), fill=palette.middle)
    draw.rounded_rectangle(
        (x - wide * 0.78, y - tall * 0.68, x - wide * 0.6, y - tall * 0.5),
        radius=wide * 0.1,
        fill=mix(palette.accent, palette.paper, 0.6),
    )


def vase(canvas: Canvas, x: float, y: float, tall: float) -> None:
    """A vase that stands on x, y."""
    palette, wide = canvas.palette, tall * 0.27
    for lean in (-0.5, -0.1, 0.35):
        tip = (x + wide * lean * 1.9, y - tall * (1.02 - abs(lean) * 0.2))
        canvas.draw.line([(x, y - tall * 0.5), tip], fill=palette.dark, width=max(1, round(tall * 0.016)))
        canvas.disc(*tip, tall * 0.075, palette.accent)
        canvas.disc(*tip, tall * 0.03, palette.paper)
    canvas.disc(x, y - wide, wide, palette.middle)
    canvas.draw.rectangle((x - wide * 0.4, y - tall * 0.62, x + wide * 0.4, y - wide), fill=palette.middle)
    canvas.draw.ellipse(
        (x - wide * 0.55, y - tall * 0.66, x + wide * 0.55, y - tall * 0.59),
        fill=mix(palette.middle, palette.dark, 0.5),
    )


def box(canvas: Canvas, x: float, y: float, tall: float) -> None:
    """A box that stands on x, y."""
    palette, wide, high = canvas.palette, tall * 0.36, tall * 0.62
    lift = wide * 0.38
    canvas.draw.polygon([(x - wide, y - lift), (x, y), (x, y - high), (x - wide, y - high - lift)], fill=palette.accent)
    canvas.draw.polygon(
        [(x + wide, y - lift), (x, y), (x, y - high), (x + wide, y - high - lift)],
        fill=mix(palette.accent, palette.dark, 0.35),
    )
    canvas.draw.polygon(
        [(x, y - high), (x - wide, y - high - lift), (x, y - high - 2 * lift), (x + wide, y - high - lift)],
        fill=mix(palette.accent, palette.paper, 0.45),
    )
    canvas.draw.polygon(
        [
            (x - wide * 0.62, y - lift * 0.62),
            (x - wide * 0.38, y - lift * 0.38),
            (x - wide * 0.38, y - high - lift * 0.38),
            (x - wide * 0.62, y - high - lift * 0.62),
        ],
        fill=palette.paper,
    )


def mug(canvas: Canvas, x: float, y: float, tall: float) -> None:
    """A mug that stands on x, y."""
    palette, wide, high = canvas.palette, tall * 0.3, tall * 0.6
    ring = (x + wide * 0.55, y - high * 0.82, x + wide * 1.65, y - high * 0.22)
    canvas.draw.arc(ring, -110, 110, fill=mix(palette.accent, palette.dark, 0.25), width=max(1, round(wide * 0.2)))
    canvas.draw.rounded_rectangle((x - wide, y - high, x + wide, y), radius=wide * 0.22, fill=palette.accent)
    shade = mix(palette.accent, palette.dark, 0.2)
    canvas.draw.rounded_rectangle((x + wide * 0.45, y - high, x + wide, y), radius=wide * 0.22, fill=shade)
    rim = (x - wide, y - high - wide * 0.2, x + wide, y - high + wide * 0.2)
    canvas.draw.ellipse(rim, fill=mix(palette.accent, palette.paper, 0.45))
    inner = (x - wide * 0.86, y - high - wide * 0.13, x + wide * 0.86, y - high + wide * 0.15)
    canvas.draw.ellipse(inner, fill=palette.dark)


THINGS: tuple[Thing, ...] = (bottle, vase, box, mug)
"""What can stand on the plinth."""
