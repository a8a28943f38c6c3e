"""What the pages of the documentation say that can be run: commands, and files to save before them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. file: where a reader is told to save it; empty for a block to type or to look at."""

    language: str
    file: str
    text: str


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for language, file, text in FENCE.findall(page.read_text(encoding="utf-8")):
        yield Block(language=language, file=file, text=text)
