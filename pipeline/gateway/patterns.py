"""Scenes without depth: tiles, rays and scales."""

import math

from pipeline.gateway.canvas import Canvas
from pipeline.gateway.palettes import Colour


def tiles(canvas: Canvas) -> None:
    """A grid of quarter circles, discs and triangles, as on a school poster of the twenties."""
    palette, random = canvas.palette, canvas.random
    side = canvas.unit / random.choice((3, 4, 5))
    colours = [palette.high, palette.low, palette.accent, palette.middle, palette.dark, palette.paper]
    for row in range(math.ceil(canvas.height / side)):
        for column in range(math.ceil(canvas.width / side)):
            x, y = column * side, row * side
            ground, figure = random.sample(colours, 2)
            canvas.draw.rectangle((x, y, x + side, y + side), fill=ground)
            _tile(canvas, x, y, side, figure)


def _tile(canvas: Canvas, x: float, y: float, side: float, colour: Colour) -> None:
    random = canvas.random
    corner_x, corner_y = x + side * random.choice((0, 1)), y + side * random.choice((0, 1))
    match random.randrange(5):
        case 0 | 1:
            box = (corner_x - side, corner_y - side, corner_x + side, corner_y + side)
            start = {(0, 0): 0, (1, 0): 90, (1, 1): 180, (0, 1): 270}[
                (round((corner_x - x) / side), round((corner_y - y) / side))
            ]
            canvas.draw.pieslice(box, start, start + 90, fill=colour)
        case 2:
            canvas.disc(x + side / 2, y + side / 2, side * random.choice((0.28, 0.42)), colour)
        case 3:
            canvas.draw.polygon([(x, y + side), (x + side, y + side), (corner_x, y)], fill=colour)
        case _:
            canvas.draw.rectangle((x + side * 0.25, y + side * 0.25, x + side * 0.75, y + side * 0.75), fill=colour)


def rays(canvas: Canvas) -> None:
    """A sunburst around a target."""
    palette, random = canvas.palette, canvas.random
    centre = (canvas.width / 2, canvas.height * random.uniform(0.4, 0.62))
    reach = math.hypot(canvas.width, canvas.height)
    beams = random.choice((12, 16, 20))
    turn = random.uniform(0, math.tau)
    canvas.draw.rectangle((0, 0, canvas.width, canvas.height), fill=palette.low)
    for beam in range(beams):
        start, end = turn + math.tau * beam / beams, turn + math.tau * (beam + 0.5) / beams
        canvas.draw.polygon(
            [centre, (centre[0] + reach * math.cos(start), centre[1] + reach * math.sin(start)),
             (centre[0] + reach * math.cos(end), centre[1] + reach * math.sin(end))],
            fill=palette.high,
        )  # fmt: skip
    for share, colour in ((0.3, palette.paper), (0.26, palette.accent), (0.17, palette.dark), (0.1, palette.middle)):
        canvas.disc(*centre, canvas.unit * share, colour)


def scales(canvas: Canvas) -> None:
    """Overlapping rings, the wave pattern of Japanese cloth."""
    palette, random = canvas.palette, canvas.random
    canvas.draw.rectangle((0, 0, canvas.width, canvas.height), fill=palette.middle)
    radius = canvas.unit / random.uniform(4.5, 7.5)
    drift = radius * random.random()
    rings = (
        (1.0, palette.paper),
        (0.9, palette.middle),
        (0.72, palette.low),
        (0.6, palette.dark),
        (0.38, palette.accent),
    )
    rows = math.ceil(canvas.height / (radius * 0.5)) + 2
    for row in range(rows):
        y = row * radius * 0.5
        shift = radius if row % 2 else 0.0
        for column in range(math.ceil(canvas.width / (radius * 2)) + 3):
            for share, colour in rings:
                canvas.disc(column * radius * 2 - radius * 2 + shift + drift, y + radius, radius * share, colour)
