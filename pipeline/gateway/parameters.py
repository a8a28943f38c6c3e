"""The parameters of the images routes: types and ranges, and what each dialect does with the others."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.digest import Json
from pipeline.gateway.errors import ApiError, Trouble, bad
from pipeline.gateway.profiles import Profile
from pipeline.gateway.reading import Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A whole number within bounds."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A value of that JSON type, whatever it says."""

    type: type
    name: str


Rule = Whole | Choice | Kind

_TEXT = Kind(type=str, name="string")
_FLAG = Kind(type=bool, name="boolean")
_OBJECT = Kind(type=dict, name="object")
_QUALITY = Choice(words=("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"))

BOTH: Mapping[str, Rule] = {
    "prompt": _TEXT,
    "model": _TEXT,
    "n": Whole(least=1, most=10),
    "size": _TEXT,
    "quality": _QUALITY,
    "background": Choice(words=("auto", "opaque", "transparent")),
    "output_format": Choice(words=("png", "jpeg", "webp", "gif", "svg")),
    "output_compression": Whole(least=0, most=100),
    "stream": _FLAG,
    "partial_images": Whole(least=0, most=3),
    "user": _TEXT,
    "safety_identifier": _TEXT,
    "complexity": Choice(words=("low", "medium", "high")),
    "frame_count": Whole(least=2, most=16),
    "frame_duration_ms": Whole(least=1, most=655_350),
    "svg": _OBJECT,
    "moderation": Choice(words=("auto", "low")),
}
GENERATIONS: Mapping[str, Rule] = BOTH
EDITS: Mapping[str, Rule] = {**BOTH, "input_fidelity": Choice(words=("high", "low"))}

_RESPONSE_FORMAT = Choice(words=("url", "b64_json"))
_FILES = frozenset({"image", "image[]", "images", "mask", "markup"})
_RELAYED = frozenset({
    "prompt", "model", "n", "size", "quality", "response_format", "style", "user", "extra_fields", "background",
    "moderation", "output_format", "output_compression", "partial_images", "stream", "images", "mask",
    "input_fidelity", "watermark", "watermark_enabled", "user_id", "image",
})  # fmt: skip
"""What new-api keeps of a JSON body; everything else is dropped without a word."""


def checked(fields: Fields, profile: Profile, route: str) -> dict[str, Json]:
    """The parameters that were given, in their types; nulls are left out.

    A strict dialect refuses what it does not know, new-api drops it, the others keep it. Raises ApiError.
    """
    rules = EDITS if route == "edits" else GENERATIONS
    values: dict[str, Json] = {}
    for name, raw in fields.values.items():
        if raw is None or (fields.form and raw == "" and name != "prompt"):
            continue
        if name in _FILES:
            continue
        if profile.strict and name not in rules:
            raise bad(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        if _is_dropped(name, fields, profile):
            continue
        rule = _RESPONSE_FORMAT if name == "response_format" else rules.get(name)
        values[name] = raw if rule is None else _value(name, raw, rule, fields, profile)
    return values


def dropped(fields: Fields, profile: Profile) -> tuple[str, ...]:
    """The parameters the dialect drops without a word, in the order they came."""
    return tuple(name for name in fields.values if _is_dropped(name, fields, profile))


def _is_dropped(name: str, fields: Fields, profile: Profile) -> bool:
    return profile.name == "newapi" and not fields.form and name not in _RELAYED


def _value(name: str, raw: Json, rule: Rule, fields: Fields, profile: Profile) -> Json:
    try:
        match rule:
            case Whole():
                return _whole(name, raw, rule, fields.form, profile.largest_n if name == "n" else rule.most)
            case Choice():
                return _choice(name, raw, rule, profile)
            case Kind():
                return _kind(name, raw, rule, fields.form)
    except ApiError as error:
        raise _as_relayed(error, name, profile) from None


def _as_relayed(error: ApiError, name: str, profile: Profile) -> ApiError:
    """new-api answers some mistakes of the client with 500."""
    if profile.name == "newapi" and name in {"n", "stream"}:
        return ApiError(
            Trouble(status=500, message=str(error), type="new_api_error", code="invalid_request", param=name)
        )
    return error


def _whole(name: str, raw: Json, rule: Whole, form: bool, most: int) -> int:
    value = raw
    if form and isinstance(raw, str):
        text = raw.strip()
        value = int(text) if text.removeprefix("-").isdecimal() and len(text) < 10 else raw
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e9:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
    if value < rule.least:
        raise bad(
            f"Invalid '{name}': integer below minimum value. "
            f"Expected a value >= {rule.least}, but got {value} instead.",
            param=name,
            code="integer_below_min_value",
        )
    if value > most:
        raise bad(
            f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {value} instead.",
            param=name,
            code="integer_above_max_value",
        )
    return value


def _choice(name: str, raw: Json, rule: Choice, profile: Profile) -> Json:
    if isinstance(raw, str) and raw in rule.words:
        return raw
    if not profile.strict and name != "output_format":
        return None
    supported = ", ".join(f"'{word}'" for word in rule.words)
    shown = raw if isinstance(raw, str) else type(raw).__name__
    raise bad(
        f"Invalid value: '{str(shown)[:64]}'. Supported values are: {supported}.", param=name, code="invalid_value"
    )


def _kind(name: str, raw: Json, rule: Kind, form: bool) -> Json:
    value = raw
    if form and rule.type is bool:
        value = {"true": True, "false": False, "1": True, "0": False}.get(str(raw).strip().lower(), raw)
    if not isinstance(value, rule.type):
        raise bad(f"Invalid type for '{name}': expected a {rule.name}.", param=name, code="invalid_type")
    return value
