"""What templates see of values: axis values that print their text, compare as people write them and have fields."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NoReturn

from pipeline.domain.errors import PipelineError
from pipeline.manifest.sandbox import Fielded, field_of

if TYPE_CHECKING:
    from pipeline.manifest.model import AxisValue


class TemplateFault(PipelineError):
    """A template cannot be read, or not be rendered with these values. line: in the template, from 1; 0 unknown."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


def shown(value: object) -> str:
    """What ``{{ value }}`` prints: null nothing, booleans ``true`` and ``false``, lists their items with commas."""
    if isinstance(value, str):
        return str(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)


class _Axis(Fielded):
    """One axis value as templates see it; mixed into the type that its value compares as."""

    __slots__ = ()
    axis: str
    value: "AxisValue"

    def look_up(self, name: str) -> object:
        if name == "key":
            return self.value.key
        if name == "text" and "text" not in self.value.fields:
            return self.value.text
        return self.value.fields[name]

    def called(self) -> str:
        return f"{self.axis} '{self.value.key}'"

    def __str__(self) -> str:
        return self.value.text

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Axis):
            return self.value.key == other.value.key
        if isinstance(other, str):
            return other in {self.value.key, self.value.text}
        return bool(self.value.raw == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.value.text)


class _Words(_Axis, str):
    __slots__ = ("axis", "value")
    __hash__ = _Axis.__hash__


class _Whole(_Axis, int):
    __hash__ = int.__hash__


class _Real(_Axis, float):
    __hash__ = float.__hash__


def context(values: Mapping[str, "AxisValue"], text: Mapping[str, str]) -> dict[str, object]:
    """What templates see: one value for each axis (printing its text, with ``.key`` and fields), and ``text``."""
    return {"text": text} | {axis: _as_seen(axis, value) for axis, value in values.items()}


def _as_seen(axis: str, value: "AxisValue") -> object:
    seen: _Words | _Whole | _Real
    if isinstance(value.raw, int):
        seen = _Whole(value.raw)
    elif isinstance(value.raw, float):
        seen = _Real(value.raw)
    else:
        seen = _Words(value.text)
    seen.axis, seen.value = axis, value
    return seen


def look_up(names: tuple[str, ...], values: Mapping[str, object]) -> object:
    """The value that a plain part means. Raises TemplateFault when there is none."""
    first, *fields = names
    if first not in values:
        _missing(f"nothing is called '{first}' here")
    value = values[first]
    for name in fields:
        value = field_of(value, name, _missing)
    return value


def _missing(what: str) -> NoReturn:
    raise TemplateFault(what)
