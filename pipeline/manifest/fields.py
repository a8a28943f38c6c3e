"""The types of a manifest's fields: each reads what YAML brings and says, in the schema, what editors may offer."""

from collections.abc import Callable, Mapping
from datetime import time
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from pipeline.domain.digest import Json
from pipeline.manifest.places import did_you_mean, one_of
from pipeline.manifest.scalars import Scalar, as_json, as_plain_json, as_text
from pipeline.manifest.units import duration, money, share, time_of_day

T = TypeVar("T")

PROBLEM = "problem"
"""Type of the errors raised here: their message is the problem's, their context has `instead`."""


def problem(what: str, instead: str = "") -> PydanticCustomError:
    """An error that becomes a line of the report."""
    return PydanticCustomError(PROBLEM, "{what}", {"what": what, "instead": instead})


def kind_of(value: object) -> str:
    """What people call a value: never the value itself, which might be a secret."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case Scalar(value=None) | None:
            return "nothing"
        case Scalar(value=bool()) | bool():
            return "true or false"
        case Scalar() | int() | float():
            return "a number"
    return "text"


def _text(value: object) -> str:
    text = as_text(value)
    if text is None:
        raise problem(f"must be text, not {kind_of(value)}", "write a word or quote it")
    return text


def _whole(value: object) -> int:
    number = value.value if isinstance(value, Scalar) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise problem(f"must be a whole number, not {_described(value)}", "write it without quotes")
    return number


def _number(value: object) -> float:
    number = value.value if isinstance(value, Scalar) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise problem(f"must be a number, not {_described(value)}", "write it without quotes")
    return float(number)


def _flag(value: object) -> bool:
    flag = value.value if isinstance(value, Scalar) else value
    if not isinstance(flag, bool):
        raise problem(f"must be true or false, not {_described(value)}", "write true or false")
    return flag


def _described(value: object) -> str:
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 20 else "text"
    return value.text if isinstance(value, Scalar) and value.value is not None else kind_of(value)


def _read_by(read: Callable[[str], T], noun: str) -> Callable[[object], T]:
    def validate(value: object) -> T:
        text = as_text(value)
        if text is None or (isinstance(value, Scalar) and isinstance(value.value, bool)):
            raise problem(f"must be {noun}, not {kind_of(value)}")
        try:
            return read(text)
        except ValueError as error:
            raise problem(f"'{text}' is not {noun}", str(error)) from error

    return validate


def _json_by(read: Callable[[object], Json]) -> Callable[[object], Json]:
    def validate(value: object) -> Json:
        try:
            return read(value)
        except ValueError as error:
            raise problem(str(error), "write a finite number") from error

    return validate


def _texts(value: object) -> object:
    return [value] if as_text(value) is not None else value


def _groups(value: object) -> object:
    if isinstance(value, list) and value and all(as_text(entry) is not None for entry in value):
        return [value]
    return value


def choice(*words: str) -> Callable[[object], str]:
    """Reads one of these words."""

    def validate(value: object) -> str:
        text = as_text(value)
        if text not in words:
            raise problem(
                f"must be {one_of(words)}, not {_described(value)}", did_you_mean(text or "", words, listed=False)
            )
        return text

    return validate


def bounded(least: float, most: float) -> Callable[[T], T]:
    """A check that a number is within these bounds."""

    def check(value: T) -> T:
        if isinstance(value, int | float) and not least <= value <= most:
            raise problem(f"must be {least:g} to {most:g}, not {value:g}")
        return value

    return check


_PLAIN: dict[str, Any] = {"type": ["string", "number", "boolean"]}
_TEXT: dict[str, Any] = {"type": "string"}
_DURATION: dict[str, Any] = {"type": ["string", "number"], "examples": ["10s", "250ms", "30m", "1h"]}
_MONEY: dict[str, Any] = {"type": ["string", "number"], "examples": ["25 USD", "0.04 USD"]}
_SHARE: dict[str, Any] = {"type": ["string", "number"], "examples": ["25%"]}
_TIME: dict[str, Any] = {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$", "examples": ["05:30"]}
_TEXTS: dict[str, Any] = {"anyOf": [{"type": "array", "items": _TEXT}, _TEXT]}

Text = Annotated[str, BeforeValidator(_text), WithJsonSchema(_TEXT)]
Word = Annotated[str, BeforeValidator(_text), WithJsonSchema(_PLAIN)]
Whole = Annotated[int, BeforeValidator(_whole), WithJsonSchema({"type": "integer"})]
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]
Flag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
Seconds = Annotated[float, BeforeValidator(_read_by(duration, "a duration")), WithJsonSchema(_DURATION)]
Usd = Annotated[int, BeforeValidator(_read_by(money, "an amount in USD")), WithJsonSchema(_MONEY)]
Share = Annotated[float, BeforeValidator(_read_by(share, "a percentage")), WithJsonSchema(_SHARE)]
TimeOfDay = Annotated[time, BeforeValidator(_read_by(time_of_day, "a time of day")), WithJsonSchema(_TIME)]
JsonValue = Annotated[Any, BeforeValidator(_json_by(as_json)), WithJsonSchema({})]
Param = Annotated[Any, BeforeValidator(_json_by(as_plain_json)), WithJsonSchema({})]
Texts = Annotated[list[Text], BeforeValidator(_texts), WithJsonSchema(_TEXTS)]
Raw = Annotated[Any, WithJsonSchema({})]
Groups = Annotated[
    list[list[Text]],
    BeforeValidator(_groups),
    WithJsonSchema(
        {
            "type": "array",
            "items": {"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]},
            "examples": [["scene", "colour"]],
        }
    ),
]


class Entry(BaseModel):
    """A mapping with known keys. A key with nothing after it counts as left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            raise problem(f"must be a mapping, not {kind_of(data)}", "write its keys below it, indented")
        return {name: value for name, value in data.items() if not _left_out(value) or name not in cls.model_fields}


def _left_out(value: object) -> bool:
    return value is None or (isinstance(value, Scalar) and value.value is None)
