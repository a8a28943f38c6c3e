"""`contact-sheet.png`: the pictures on one board, for chat tools and wherever no page is opened."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from pipeline.domain.record import State
from pipeline.sheet.model import Sheet
from pipeline.sheet.thumbs import thumb_path

MOST: Final = 60
"""Pictures on a board: more would be specks in a chat."""

_WIDTH, _GAP, _HEAD, _LABEL = 1600, 14, 86, 24
_PAPER, _INK, _SOFT, _EMPTY = (250, 249, 246), (29, 28, 26), (112, 108, 100), (236, 233, 226)
_MARKS: Final = {
    State.UNKNOWN: (180, 105, 0),
    State.REFUSED: (140, 60, 150),
    State.FAILED: (190, 40, 30),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One place on the board. thumb: None for an asset without a picture."""

    name: str
    state: State
    thumb: Path | None


def board_of(sheet: Sheet, folder: Path) -> bytes:
    """The board as a PNG file's bytes: what is there first, evenly taken from all shots. Blocks, reads thumbnails.

    The same sheet gives the same bytes.
    """
    tiles = tiles_of(sheet, folder)
    columns = min(max(3, math.ceil(math.sqrt(len(tiles) * 1.7))), 10)
    side = (_WIDTH - _GAP * (columns + 1)) // columns
    rows = math.ceil(len(tiles) / columns)
    height = _HEAD + max(1, rows) * (side + _LABEL + _GAP)
    board = Pillow.new("RGB", (_WIDTH, height), _PAPER)
    draw = ImageDraw.Draw(board)
    _head(draw, sheet, len(tiles))
    for number, tile in enumerate(tiles):
        left = _GAP + number % columns * (side + _GAP)
        top = _HEAD + number // columns * (side + _LABEL + _GAP)
        _draw(board, draw, tile, (left, top, side))
    kept = io.BytesIO()
    board.save(kept, "PNG", compress_level=6)
    return kept.getvalue()


def tiles_of(sheet: Sheet, folder: Path) -> tuple[Tile, ...]:
    """Up to `MOST` assets: those with a picture, every n-th when there are more, so that each shot is seen."""
    tiles = [
        Tile(
            name=card.row.asset,
            state=card.row.state,
            thumb=folder / thumb_path(card.row.image.digest) if card.row.image else None,
        )
        for card in sheet.cards
    ]
    there = [tile for tile in tiles if tile.thumb is not None and tile.thumb.is_file()]
    shown = there or tiles
    step = max(1, math.ceil(len(shown) / MOST))
    return tuple(shown[::step])


def _head(draw: ImageDraw.ImageDraw, sheet: Sheet, shown: int) -> None:
    counts = sheet.data.counts
    there, wanted = counts.get(State.DONE, 0), sum(counts.values())
    words = [f"{there:,} of {wanted:,} there"]
    words += [f"{count:,} {state.value}" for state, count in counts.items() if count and state is not State.DONE]
    if shown < wanted:
        words.append(f"{shown} shown")
    draw.text((_GAP, 14), _written(sheet.data.manifest, 70), fill=_INK, font=_font(30))
    draw.text((_GAP, 52), " · ".join(words), fill=_SOFT, font=_font(18))


def _draw(board: Pillow.Image, draw: ImageDraw.ImageDraw, tile: Tile, place: tuple[int, int, int]) -> None:
    left, top, side = place
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_EMPTY)
    small = _opened(tile.thumb, side)
    if small is not None:
        at = (left + (side - small.width) // 2, top + (side - small.height) // 2)
        board.paste(small, at, small)
    else:
        draw.text((left + 10, top + 10), tile.state.value, fill=_SOFT, font=_font(16))
    mark = _MARKS.get(tile.state)
    if mark is not None:
        draw.rectangle((left, top, left + side - 1, top + side - 1), outline=mark, width=4)
    letters = max(8, side // 8)
    draw.text((left, top + side + 4), _written(tile.name, letters), fill=_SOFT, font=_font(14))


def _opened(thumb: Path | None, side: int) -> Pillow.Image | None:
    if thumb is None:
        return None
    try:
        with Pillow.open(thumb, formats=("WEBP",)) as picture:
            small = picture.convert("RGBA")
    except (OSError, ValueError):
        return None
    small.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    return small


def _written(text: str, letters: int) -> str:
    """*text* in the letters the built-in font has; a long one loses its beginning, for names differ at the end."""
    plain = "".join(letter if letter.isprintable() and ord(letter) < 0x250 else "□" for letter in text)
    return plain if len(plain) <= letters else "…" + plain[-(letters - 1) :]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
