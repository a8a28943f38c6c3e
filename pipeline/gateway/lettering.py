"""Text on sketches: which font can write it, how it is wrapped and set.

Pillow's own font writes Latin; for other scripts the first installed font of a list that knows most of the
characters is taken. What no font can write is left out of the picture (the metadata has the whole prompt).
"""

import functools
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont

_PLACES = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_NAMES = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "msyh.ttc",
    "uming.ttc",
    "NotoSansArabic-Regular.ttf",
    "NotoNaskhArabic-Regular.ttf",
    "DejaVuSans.ttf",
    "FreeSans.ttf",
    "Arial Unicode.ttf",
    "arial.ttf",
)
_UNREADABLE = "(no font here can write this; the metadata has it)"
_READ = 1200
"""Characters of a prompt that are looked at for the picture; more never fit."""


@functools.cache
def _font_files() -> tuple[Path | None, ...]:
    """Pillow's own font (None), then the installed ones of the list, in its order. Reads folders once."""
    found: dict[str, Path] = {}
    for place in _PLACES:
        root = Path(place)
        if root.is_dir():
            for name in _NAMES:
                if name not in found:
                    match = next(root.rglob(name), None)
                    if match is not None:
                        found[name] = match
    return (None, *(found[name] for name in _NAMES if name in found))


@functools.lru_cache(maxsize=256)
def _font(file: Path | None, size: int) -> Font:
    if file is not None:
        return ImageFont.truetype(file, size)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow is built with FreeType wherever wheels are used
    return font


@functools.lru_cache(maxsize=8192)
def _can_write(file: Path | None, character: str) -> bool:
    """Whether the font has a shape of its own for the character, and not the box of a missing one."""
    font = _font(file, 16)
    return bytes(font.getmask(character)) != bytes(font.getmask("\uffff"))


@functools.lru_cache(maxsize=512)
def _best_file(characters: frozenset[str]) -> Path | None:
    """The font that can write most of the characters; the first one when several can."""
    return max(_font_files(), key=lambda file: sum(_can_write(file, character) for character in characters))


def _plain(text: str) -> str:
    """One line without control characters, marks of direction and private use."""
    kept = (" " if character.isspace() else character for character in text[:_READ])
    return " ".join("".join(c for c in kept if c == " " or unicodedata.category(c)[0] != "C").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Wrapped text ready to be set. height, leading in pixels; cut: not all of it fits."""

    lines: tuple[str, ...]
    font: Font
    leading: int
    cut: bool

    @property
    def height(self) -> int:
        """Pixels from the top of the first line to the bottom of the last."""
        return self.leading * len(self.lines)

    def set(self, draw: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, ...]) -> None:
        """Writes the lines from x, y (the upper left corner) down."""
        for number, line in enumerate(self.lines):
            draw.text((x, y + number * self.leading), line, font=self.font, fill=colour)


def wrap(text: str, size: int, width: float, most: int) -> Lines:
    """*text* in lines of at most *width* pixels, at most *most* of them, in the font that can write it best."""
    plain = _plain(text)
    file = _best_file(frozenset(plain.replace(" ", "")))
    font = _font(file, size)
    words = "".join(character for character in plain if character == " " or _can_write(file, character)).split()
    if not words and plain:
        file, words = None, _UNREADABLE.split()
        font = _font(file, size)
    lines: list[str] = []
    line = ""
    for word in _pieces(words, font, width):
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        lines.append(line)
        line = word
        if len(lines) > most:
            break
    if line:
        lines.append(line)
    cut = len(lines) > most or len(text) > _READ
    lines = lines[:most]
    if cut and lines:
        lines[-1] = _shortened(lines[-1], font, width)
    return Lines(lines=tuple(lines), font=font, leading=round(size * 1.28), cut=cut)


def _pieces(words: list[str], font: Font, width: float) -> list[str]:
    """Words, with those that are wider than a line broken; every ideograph is a word of its own."""
    pieces: list[str] = []
    for word in words:
        if font.getlength(word) <= width:
            pieces.append(word)
            continue
        start = 0
        for end in range(1, len(word) + 1):
            if font.getlength(word[start:end]) > width and end - 1 > start:
                pieces.append(word[start : end - 1])
                start = end - 1
        pieces.append(word[start:])
    return pieces


def _shortened(line: str, font: Font, width: float) -> str:
    while line and font.getlength(line + " …") > width:
        line = line[:-1]
    return line + " …"
