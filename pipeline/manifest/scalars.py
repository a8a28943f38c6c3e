"""YAML 1.2 core scalars: what a plain word means, without losing how it was written."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.digest import Json

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_BASES = {"0o": 8, "0x": 16}
_LONGEST_NUMBER = 400
"""Digits; more is text: no parameter needs it, and parsing would take quadratic time."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number, boolean or null with the text it was written as, for where text is expected."""

    text: str
    value: int | float | bool | None


class WrittenInt(int):
    """A whole number that prints as it was written (``007``)."""

    text: str

    def __str__(self) -> str:
        return self.text


class WrittenFloat(float):
    """A number that prints as it was written (``1.10``)."""

    text: str

    def __str__(self) -> str:
        return self.text


Tree = Scalar | str | list["Tree"] | dict[str, "Tree"]
"""What a YAML text is read into."""


def resolve(text: str) -> Scalar | str:
    """What a plain word means under YAML 1.2's core schema; text when it is no number, boolean or null."""
    if text in _WORDS:
        return Scalar(text, _WORDS[text])
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return Scalar(text, int(text[2:], _BASES[text[:2]]) if text[:2] in _BASES else int(text))
    if _FLOAT.fullmatch(text):
        return Scalar(text, float(text))
    if _INFINITE.fullmatch(text):
        return Scalar(text, -math.inf if text[0] == "-" else math.inf)
    return Scalar(text, math.nan) if text in {".nan", ".NaN", ".NAN"} else text


def written_int(text: str) -> int:
    """The whole number *text*, printing as it is written. Raises ValueError."""
    number = WrittenInt(text)
    number.text = text
    return int(number) if str(int(number)) == text else number


def written_float(text: str) -> float:
    """The number *text*, printing as it is written. Raises ValueError."""
    number = WrittenFloat(text)
    number.text = text
    return float(number) if repr(float(number)) == text else number


def as_json(value: object) -> Json:
    """The value of a tree; numbers still print as written. Raises ValueError for what JSON has no word for."""
    if isinstance(value, Scalar):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(name): as_json(entry) for name, entry in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_json(entry) for entry in value]
    return str(value)


def as_plain_json(value: object) -> Json:
    """As `as_json`, with numbers that are nothing but numbers: for what is sent and hashed."""
    return _plain(as_json(value))


def _plain(value: Json) -> Json:
    match value:
        case dict():
            return {name: _plain(entry) for name, entry in value.items()}
        case list():
            return [_plain(entry) for entry in value]
        case WrittenInt():
            return int(value)
        case WrittenFloat():
            return float(value)
    return value


def as_text(value: object) -> str | None:
    """The text of a word, number or boolean as written; None for null, lists and mappings."""
    if isinstance(value, Scalar):
        return None if value.value is None else value.text
    return value if isinstance(value, str) else None


def _number(scalar: Scalar) -> Json:
    value = scalar.value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{scalar.text} is not a number that can be sent")
        return written_float(scalar.text)
    if isinstance(value, bool) or value is None or str(value) == scalar.text:
        return value
    number = WrittenInt(value)
    number.text = scalar.text
    return number
