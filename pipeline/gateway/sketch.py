"""Draws the pictures: real, decodable, deterministic, and marked as sketches.

Equal orders give equal bytes on one machine (another machine may have other fonts). Everything here blocks
and is pure but for the fonts read once.
"""

import functools
import io
import math
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin

from pipeline.domain.digest import digest_of
from pipeline.gateway.canvas import new_canvas
from pipeline.gateway.editing import compose, cut_out, dress, fill_mask, fitted
from pipeline.gateway.emblems import draw_emblem
from pipeline.gateway.lettering import wrap
from pipeline.gateway.order import Order
from pipeline.gateway.palettes import NIGHTS, PALETTES, Palette, coloured, mix
from pipeline.gateway.scenes import is_night, scene_of

SMALLEST_LETTERED = 96
"""Below this many pixels of the shorter edge nothing can be read; the text is in the metadata alone."""

_MOST_SUPERSAMPLED = 1_700_000
_MOST_DRAWN = 4_000_000
_TOLD = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One picture, encoded. width, height in pixels."""

    data: bytes
    media_type: str
    width: int
    height: int


def draw(order: Order, number: int, seed: int, stage: float = 1.0) -> Drawn:
    """The *number*-th picture (from 0) of an order, encoded. stage below 1: a partial, blurred picture."""
    picture = _picture(order, number, seed)
    if stage < 1.0:
        picture = _blurred(picture, stage)
    return Drawn(
        data=_encoded(picture, order, number, seed),
        media_type=f"image/{order.output_format}",
        width=picture.width,
        height=picture.height,
    )


def _luck(order: Order, number: int, seed: int) -> Random:
    return Random(digest_of(f"{seed}:{order.first + number}:{order.digest}".encode()))  # noqa: S311 - a drawing


@functools.lru_cache(maxsize=4096)
def _palette(prompt: str, seed: int) -> Palette:
    choice = Random(digest_of(f"{seed}:{prompt}".encode()))  # noqa: S311 - a drawing
    return coloured(choice.choice(NIGHTS if is_night(prompt) else PALETTES), prompt)


def _picture(order: Order, number: int, seed: int) -> Image.Image:
    random = _luck(order, number, seed)
    palette = _palette(order.prompt, seed)
    if order.mask is not None:
        first = order.inputs[0]
        base, area = fitted(first.picture, order.width, order.height), order.mask.picture.getchannel("A")
        return fill_mask(base, area, _scene(order, palette, random), order.prompt, palette)
    if order.inputs:
        pictures = [entry.picture for entry in order.inputs]
        picture = compose(pictures, order.width, order.height, palette)
        if order.background == "transparent":
            picture = cut_out(picture)
        dressed = dress(
            picture,
            palette,
            random,
            prompt=order.prompt,
            caption=_caption(order, number),
            steps=order.inputs[0].edits + 1,
        )
        return _marked(dressed, palette)
    if order.background == "transparent":
        return _emblem(order, number, palette, random)
    return _poster(order, number, palette, random)


def _caption(order: Order, number: int) -> str:
    parts = [order.size, order.quality, order.output_format, order.model]
    if order.n > 1 or order.first > 1:
        parts.append(f"#{order.first + number}")
    return "  ·  ".join(parts)


def _scene(order: Order, palette: Palette, random: Random) -> Image.Image:
    """The scene alone, opaque, in the asked size; rougher or finer by quality."""
    scale = _scale(order)
    width, height = max(1, round(order.width * scale)), max(1, round(order.height * scale))
    canvas = new_canvas(width, height, palette, random)
    scene_of(order.prompt, random)(canvas)
    picture = canvas.picture
    if scale == 2:
        return picture.reduce(2)
    if picture.size != (order.width, order.height):
        picture = picture.resize((order.width, order.height), Image.Resampling.BILINEAR)
    return picture


def _scale(order: Order) -> float:
    """Low quality is drawn at half the size, the others at twice it, so that edges are smooth."""
    pixels = order.width * order.height
    if min(order.width, order.height) < SMALLEST_LETTERED:
        return 1
    if order.quality == "low":
        return 0.5
    if pixels <= _MOST_SUPERSAMPLED:
        return 2
    return min(1.0, math.sqrt(_MOST_DRAWN / pixels))


def _poster(order: Order, number: int, palette: Palette, random: Random) -> Image.Image:
    picture = _scene(order, palette, random)
    if min(picture.size) < SMALLEST_LETTERED:
        return picture
    _letter(picture, order.prompt, _caption(order, number), palette)
    return _marked(picture, palette)


def _emblem(order: Order, number: int, palette: Palette, random: Random) -> Image.Image:
    lettered = min(order.width, order.height) >= SMALLEST_LETTERED
    scale = 2 if lettered and order.width * order.height <= _MOST_SUPERSAMPLED and order.quality != "low" else 1
    # The colour under full transparency is the outline's, so that no light seam shows when it is scaled.
    picture = Image.new("RGBA", (order.width * scale, order.height * scale), (*palette.dark, 0))
    draw_emblem(picture, palette, order.prompt, random, 0.8 if lettered else 1.0)
    if scale == 2:
        picture = picture.reduce(2)
    if lettered:
        _label(picture, order.prompt, _caption(order, number), palette)
    return picture


def letter_size(picture: Image.Image) -> int:
    """The height in pixels of the prompt's letters on a picture of this size."""
    return max(10, min(64, min(picture.size) // 26))


def _letter(picture: Image.Image, prompt: str, caption: str, palette: Palette) -> None:
    """The band at the foot of a poster: the prompt, and below it the parameters."""
    width, height = picture.size
    size = letter_size(picture)
    margin = round(size * 1.1)
    room = max(1, int(height * 0.4 / (size * 1.28)) - 2)
    words = wrap(prompt, size, width - 2 * margin, min(6, room))
    small = wrap(caption, max(9, round(size * 0.62)), width - 2 * margin, 1)
    tall = words.height + small.height + round(margin * 1.5)
    top = height - tall
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, top, width, height), fill=palette.paper)
    pen.rectangle((0, top, width, top + max(2, size // 8)), fill=palette.accent)
    words.set(pen, margin, top + margin * 0.7, palette.dark)
    small.set(pen, margin, top + margin * 0.85 + words.height, mix(palette.dark, palette.paper, 0.35))


def _label(picture: Image.Image, prompt: str, caption: str, palette: Palette) -> None:
    """On transparency: a small opaque label under the emblem, so that the text can be read on any ground."""
    width, height = picture.size
    size = max(10, letter_size(picture) * 3 // 4)
    words = wrap(prompt, size, width * 0.8, 2)
    small = wrap(caption + "  ·  sketch", max(9, round(size * 0.7)), width * 0.8, 1)
    wide = max((words.font.getlength(line) for line in words.lines), default=0)
    wide = max(wide, *(small.font.getlength(line) for line in small.lines), 1)
    tall = words.height + small.height
    left, top = (width - wide) / 2, height - tall - size * 1.4
    pen = ImageDraw.Draw(picture)
    box = (left - size * 0.8, top - size * 0.5, left + wide + size * 0.8, top + tall + size * 0.5)
    pen.rounded_rectangle(box, radius=size * 0.6, fill=(*palette.paper, 255))
    words.set(pen, left, top, (*palette.dark, 255))
    small.set(pen, left, top + words.height, (*mix(palette.dark, palette.paper, 0.35), 255))


def _marked(picture: Image.Image, palette: Palette) -> Image.Image:
    """The mark of a sketch: a small tag in the upper right corner."""
    if min(picture.size) < SMALLEST_LETTERED:
        return picture
    size = max(9, round(letter_size(picture) * 0.6))
    tag = wrap("sketch", size, picture.width, 1)
    wide = tag.font.getlength("sketch")
    right, top = picture.width - size, size
    opaque = (255,) if picture.mode == "RGBA" else ()
    pen = ImageDraw.Draw(picture)
    pen.rounded_rectangle(
        (right - wide - size * 1.2, top, right, top + size * 1.9), radius=size * 0.95, fill=(*palette.dark, *opaque)
    )
    tag.set(pen, right - wide - size * 0.6, top + size * 0.34, (*palette.paper, *opaque))
    return picture


def _blurred(picture: Image.Image, stage: float) -> Image.Image:
    """What a partial picture looks like: the whole, not yet sharp."""
    return picture.filter(ImageFilter.GaussianBlur(max(1.0, min(picture.size) * 0.06 * (1.0 - stage))))


def _encoded(picture: Image.Image, order: Order, number: int, seed: int) -> bytes:
    told = {
        "Software": "pipeline sketch",
        "Prompt": order.prompt[:_TOLD],
        "Parameters": _caption(order, number),
        "Edits": str(order.inputs[0].edits + 1 if order.inputs else 0),
        # Two pictures of one order are two pictures, also where nothing of a scene can be seen.
        "Sketch": f"{seed}:{order.first + number}:{order.digest[:16]}",
    }
    file = io.BytesIO()
    match order.output_format:
        case "jpeg":
            comment = "\n".join(f"{name}: {text}" for name, text in told.items())
            quality = 90 if order.compression is None else order.compression
            _flat(picture).save(file, "JPEG", quality=quality, comment=comment.encode()[:60_000])
        case "webp":
            _save_webp(file, picture, order, told)
        case "gif":
            _save_gif(file, picture, order, told)
        case _:
            text = PngImagePlugin.PngInfo()
            for name, value in told.items():
                text.add_itxt(name, value)
            picture.save(file, "PNG", compress_level=1, pnginfo=text)
    return file.getvalue()


def _save_webp(file: io.BytesIO, picture: Image.Image, order: Order, told: dict[str, str]) -> None:
    exif = Image.Exif()
    exif[0x0131] = told["Software"]
    exif[0x010E] = told["Parameters"].replace("·", "|") + " " + told["Sketch"]
    exif[0x9C9C] = told["Prompt"].encode("utf-16-le")
    if order.mask is not None:  # kept pixels are kept exactly, also under full transparency
        picture.save(file, "WEBP", lossless=True, exact=True, method=0, exif=exif)
        return
    quality = 90 if order.compression is None else order.compression
    picture.save(file, "WEBP", quality=quality, method=0, exif=exif)


def _save_gif(file: io.BytesIO, picture: Image.Image, order: Order, told: dict[str, str]) -> None:
    """The frames of a gif: the picture with a light running over it."""
    frames = []
    for frame in range(order.frames):
        lit = picture.copy()
        wide = picture.width / order.frames
        band = (round(frame * wide), 0, max(round((frame + 1) * wide), round(frame * wide) + 1), picture.height)
        lit.paste(Image.eval(picture.crop(band), lambda value: min(255, value + 40)), band[:2])
        frames.append(lit)
    first, *rest = frames
    told = {name: text[:200] for name, text in told.items()}
    comment = "; ".join(f"{name}: {text}" for name, text in told.items()).encode()
    milliseconds = round(order.frame_ms, -1)
    first.save(
        file, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0, disposal=2, comment=comment
    )


def _flat(picture: Image.Image) -> Image.Image:
    """On white, for formats without transparency."""
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground
