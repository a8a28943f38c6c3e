"""Keys that a host said back are blotted out of what is kept as evidence."""

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

from pipeline.domain.secret import Secret

_BLOT: Final = b"*"
_SHORTEST: Final = 6
"""Fewer letters are part of many a word."""


def blotted(data: bytes, secrets: Iterable[Secret]) -> bytes:
    """The same bytes with stars for every whole *secret*, letter by letter."""
    for spelling in _spellings(secrets):
        data = data.replace(spelling, _BLOT * len(spelling))
    return data


def _spellings(secrets: Iterable[Secret]) -> Iterator[bytes]:
    for secret in secrets:
        value = secret.reveal()
        if len(value) >= _SHORTEST:
            yield from dict.fromkeys(text.encode("utf-8", "surrogatepass") for text in (value, quote(value, safe="")))
