"""Keys that a host said back are blotted out of what is kept as evidence."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from pipeline.domain.secret import Secret

_BLOT: Final = b"*"
_SHORTEST: Final = 6
"""Fewer letters are part of many a word."""


def blot(path: Path, secrets: Iterable[Secret]) -> None:
    """Overwrites every whole *secret* in a file of ours with stars, letter by letter. Blocks. Raises OSError."""
    wanted = tuple(_spellings(secrets))
    if not wanted:
        return
    with path.open("r+b") as file:
        data = file.read()
        for spelling in wanted:
            at = data.find(spelling)
            while at >= 0:
                file.seek(at)
                file.write(_BLOT * len(spelling))
                at = data.find(spelling, at + 1)


def _spellings(secrets: Iterable[Secret]) -> Iterator[bytes]:
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            yield from dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in (value, quote(value, safe="")))
