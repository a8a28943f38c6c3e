"""Where a scene is drawn."""

from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

from pipeline.gateway.palettes import Colour, Palette

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where a scene is drawn. unit: the shorter edge in pixels."""

    picture: Image.Image
    draw: ImageDraw.ImageDraw
    palette: Palette
    random: Random

    @property
    def width(self) -> int:
        """Pixels."""
        return self.picture.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.picture.height

    @property
    def unit(self) -> int:
        """The shorter edge in pixels."""
        return min(self.picture.size)

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """A filled circle around x, y."""
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def sky(self, high: Colour, low: Colour) -> None:
        """Fills the canvas from *high* at the top to *low* at the bottom."""
        column = Image.new("RGB", (1, 2))
        column.putpixel((0, 0), high)
        column.putpixel((0, 1), low)
        self.picture.paste(column.resize(self.picture.size, Image.Resampling.BILINEAR, box=(0, 0.5, 1, 1.5)))


def new_canvas(width: int, height: int, palette: Palette, random: Random) -> Canvas:
    """An empty canvas of that many pixels."""
    picture = Image.new("RGB", (width, height), palette.low)
    return Canvas(picture=picture, draw=ImageDraw.Draw(picture), palette=palette, random=random)
