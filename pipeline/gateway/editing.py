"""Edits: pictures made from pictures, so that one can see what came from where."""

from collections.abc import Sequence
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageOps

from pipeline.gateway.lettering import wrap
from pipeline.gateway.palettes import Palette, is_light, mix

_TINT = 0.1
_NEAR = 40


def fitted(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture in that size: untouched when it has it, cropped to the middle when the shape differs."""
    if picture.size == (width, height):
        return picture.copy()
    return ImageOps.fit(picture, (width, height), Image.Resampling.BICUBIC)


def compose(pictures: Sequence[Image.Image], width: int, height: int, palette: Palette) -> Image.Image:
    """One picture out of several: the first fills it, the others hang on it as framed prints from the top left."""
    base = fitted(pictures[0], width, height)
    others = pictures[1:]
    if not others:
        return base
    columns = max(3, -(-len(others) // 4))
    gap = max(1, min(width, height) // 40)
    side = max(1, (min(width, height) - gap * (columns + 1)) // (columns + 1))
    frame = max(1, gap // 3)
    for number, picture in enumerate(others):
        row, column = divmod(number, columns)
        x, y = gap + column * (side + gap), gap + row * (side + gap)
        opaque = (255,) if base.mode == "RGBA" else ()
        base.paste((*palette.paper, *opaque), (x, y, x + side, y + side))
        print_side = max(1, side - 2 * frame)
        small = ImageOps.fit(picture, (print_side, print_side), Image.Resampling.BILINEAR)
        base.paste(small.convert("RGB"), (x + frame, y + frame), small if small.mode == "RGBA" else None)
    return base


def dress(
    picture: Image.Image, palette: Palette, random: Random, *, prompt: str, caption: str, steps: int
) -> Image.Image:
    """The picture lightly restyled, with the instruction on a band and one dot for each edit it has seen."""
    tinted = _tinted(picture, palette)
    width, height = tinted.size
    if min(width, height) < 96:  # nothing can be read: a coloured corner shows that it was edited
        _corner(tinted, palette, random)
        return tinted
    opaque = (255,) if tinted.mode == "RGBA" else ()
    size = max(10, min(64, min(width, height) // 26))
    margin = round(size * 1.1)
    words = wrap(prompt, size, width - 2 * margin, min(4, max(1, int(height * 0.3 / (size * 1.28)) - 1)))
    small = wrap(caption, max(9, round(size * 0.62)), width - 2 * margin, 1)
    tall = words.height + small.height + round(margin * 1.5)
    top = height - tall
    light = is_light(palette.accent)
    ink = palette.dark if light else palette.paper
    pen = ImageDraw.Draw(tinted)
    pen.rectangle((0, top, width, height), fill=(*palette.accent, *opaque))
    words.set(pen, margin, top + margin * 0.7, (*ink, *opaque))
    small.set(pen, margin, top + margin * 0.85 + words.height, (*mix(ink, palette.accent, 0.25), *opaque))
    for step in range(min(steps, 12)):
        x, radius = width - margin - step * size * 0.9, size * 0.28
        dot = (x - radius, top - radius, x + radius, top + radius)
        pen.ellipse(dot, fill=(*palette.paper, *opaque), outline=(*ink, *opaque), width=max(1, size // 12))
    return tinted


def _tinted(picture: Image.Image, palette: Palette) -> Image.Image:
    """A breath of the palette over it; the alpha channel is left as it is."""
    colours = picture.convert("RGB")
    colours = Image.blend(colours, Image.new("RGB", colours.size, palette.middle), _TINT)
    if picture.mode == "RGBA":
        colours.putalpha(picture.getchannel("A"))
    return colours


def _corner(picture: Image.Image, palette: Palette, random: Random) -> None:
    width, height = picture.size
    side = max(1, round(min(width, height) * random.uniform(0.3, 0.45)))
    opaque = (255,) if picture.mode == "RGBA" else ()
    pen = ImageDraw.Draw(picture)
    pen.polygon([(width, height), (width - side, height), (width, height - side)], fill=(*palette.accent, *opaque))


def cut_out(picture: Image.Image) -> Image.Image:
    """The picture with a really transparent ground: its own, else what has the colour of its corners, else an oval."""
    if picture.mode == "RGBA" and picture.getchannel("A").getextrema() != (255, 255):
        return picture
    colours = picture.convert("RGB")
    width, height = colours.size
    corners = colours.resize((2, 2), Image.Resampling.NEAREST).resize((1, 1), Image.Resampling.BOX)
    ground = colours.getpixel((0, 0)), corners.getpixel((0, 0))
    plain = Image.new("RGB", colours.size, ground[1])
    red, green, blue = ImageChops.difference(colours, plain).split()
    far = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    alpha = far.point([0 if value < _NEAR else 255 for value in range(256)])
    share = alpha.histogram()[0] / (width * height)
    if not 0.05 < share < 0.95:
        alpha = Image.new("L", colours.size, 0)
        inset_x, inset_y = width * 0.06, height * 0.06
        ImageDraw.Draw(alpha).ellipse((inset_x, inset_y, width - inset_x, height - inset_y), fill=255)
        if alpha.getextrema()[1] == 0:
            alpha.paste(255, (0, 0, width, max(1, height // 2)))
    colours.putalpha(alpha)
    return colours


def fill_mask(base: Image.Image, alpha: Image.Image, scene: Image.Image, prompt: str, palette: Palette) -> Image.Image:
    """*base* with *scene* where *alpha* is 0 and not one other pixel touched.

    Inside, every pixel differs from before, also where the scene happens to have its colour.
    """
    area = alpha.point([255 if value == 0 else 0 for value in range(256)])
    if area.size != base.size:
        area = area.resize(base.size, Image.Resampling.NEAREST)
    box = area.getbbox()
    if box is None:
        return base
    patch = scene.copy()
    patch.paste(ImageOps.fit(scene, (box[2] - box[0], box[3] - box[1]), Image.Resampling.BILINEAR), box[:2])
    _write_inside(patch, box, prompt, palette)
    same = _same(base.convert("RGB"), patch)
    patch.paste(patch.point([value - 24 if value > 127 else value + 24 for value in range(256)] * 3), mask=same)
    drawn = patch.convert(base.mode)
    base.paste(drawn, mask=area)
    return base


def _same(first: Image.Image, second: Image.Image) -> Image.Image:
    """255 where the pictures have equal pixels."""
    red, green, blue = ImageChops.difference(first, second).split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return most.point([255 if value == 0 else 0 for value in range(256)])


def _write_inside(patch: Image.Image, box: tuple[int, int, int, int], prompt: str, palette: Palette) -> None:
    """The instruction on a label in the middle of the changed area, where it is large enough to be read."""
    left, top, right, bottom = box
    size = max(10, min(64, min(patch.size) // 30))
    words = wrap(prompt, size, (right - left) * 0.7 - 2 * size, 2)
    wide = max((words.font.getlength(line) for line in words.lines), default=0)
    if right - left < size * 8 or bottom - top < size * 6 or not wide:
        return
    x, y = (left + right - wide) / 2, (top + bottom - words.height) / 2 + (bottom - top) * 0.18
    pen = ImageDraw.Draw(patch)
    label = (x - size * 0.7, y - size * 0.4, x + wide + size * 0.7, y + words.height + size * 0.3)
    pen.rounded_rectangle(label, radius=size * 0.5, fill=palette.paper)
    words.set(pen, x, y, palette.dark)
