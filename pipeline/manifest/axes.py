"""The matrix of a shot: axes of four kinds, which of them walk together, and cells left out or added."""

import keyword
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.digest import Json
from pipeline.manifest.model import Axis, AxisValue, Source
from pipeline.manifest.names import folded, slug
from pipeline.manifest.places import Loc, Problems, did_you_mean
from pipeline.manifest.providers import Models
from pipeline.manifest.scalars import Scalar, as_json, as_text

RESERVED = frozenset({"text", "step", "candidate", "row", "loop"})
"""Names that templates give another meaning."""

_JINJA_WORDS = frozenset(
    {"and", "or", "not", "in", "is", "if", "else", "elif", "for", "true", "false", "none", "True", "False", "None"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeds:
    """The feeds a matrix may name. declared: also those that could not be read.

    columns: source -> field -> how many of its usable rows have it.
    """

    sources: Mapping[str, Source]
    declared: frozenset[str]
    columns: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Axes in order. broken: names of axes whose values are not known, so that nothing is concluded from them."""

    axes: tuple[Axis, ...]
    broken: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all axes."""
        return tuple(axis.name for axis in self.axes)

    def axis(self, name: str) -> Axis | None:
        """The axis of that name."""
        return next((axis for axis in self.axes if axis.name == name), None)


def read_matrix(written: Mapping[str, object], loc: Loc, feeds: Feeds, models: Models) -> Matrix:
    """The axes as written; what is wrong with them is reported."""
    problems = models.problems
    axes: list[Axis] = []
    broken: set[str] = set()
    for name, value in written.items():
        place = (*loc, name)
        if not _is_name(name):
            problems.error(place, f"an axis cannot be called '{name}'", _better_name(name), key=True)
        axis = _axis(name, value, place, feeds, models)
        if axis is None:
            broken.add(name)
        axes.append(axis or Axis(name=name, kind="list", values=()))
    return Matrix(axes=tuple(axes), broken=frozenset(broken))


def _is_name(name: str) -> bool:
    return name.isidentifier() and name not in RESERVED | _JINJA_WORDS and not name.startswith("_")


def _better_name(name: str) -> str:
    if name in RESERVED:
        return f"templates use '{name}' for something else; choose another word"
    guess = "".join(character if character.isalnum() else "_" for character in name).strip("_")
    return f"write '{guess}'" if guess.isidentifier() and not keyword.iskeyword(guess) else "choose another word"


def _axis(name: str, value: object, loc: Loc, feeds: Feeds, models: Models) -> Axis | None:
    problems = models.problems
    match value:
        case {"source": source, **others} if not others:
            return _source_axis(name, source, loc, feeds, problems)
        case list() if name == "model":
            return _model_axis(value, loc, models)
        case _ if name == "model":
            problems.error(loc, "the axis 'model' is a list of models", "write [main, rival]")
        case list():
            return _list_axis(name, value, loc, problems)
        case dict():
            return _mapping_axis(name, value, loc, problems)
        case str() if value in feeds.declared:
            problems.error(loc, f"axis '{name}' must be a list, a mapping or a source", f"write {{source: {value}}}")
        case _:
            problems.error(loc, f"axis '{name}' must be a list, a mapping or a source", "write [a, b]")
    return None


def _source_axis(name: str, source: object, loc: Loc, feeds: Feeds, problems: Problems) -> Axis | None:
    feed = as_text(source) or ""
    if feed not in feeds.declared:
        what = f"there is no source '{feed}'" if feed else "the name of a source is expected"
        problems.error((*loc, "source"), what, did_you_mean(feed, feeds.declared) or "add it under sources:")
        return None
    found = feeds.sources.get(feed)
    return None if found is None else Axis(name=name, kind="source", values=found.rows, source=feed)


def _list_axis(name: str, items: Sequence[object], loc: Loc, problems: Problems) -> Axis | None:
    found = [plain_value(item, (*loc, index), problems) for index, item in enumerate(items)]
    values = [value for value in found if value is not None]
    return _checked(Axis(name=name, kind="list", values=tuple(values)), loc, len(items), problems)


def _model_axis(items: Sequence[object], loc: Loc, models: Models) -> Axis | None:
    problems = models.problems
    found = [plain_value(item, (*loc, index), problems) for index, item in enumerate(items)]
    values = [value for value in found if value is not None]
    for index, value in enumerate(found):
        if value is not None:
            models.find(value.key, (*loc, index))
    return _checked(Axis(name="model", kind="model", values=tuple(values)), loc, len(items), problems)


def _mapping_axis(name: str, entries: Mapping[str, object], loc: Loc, problems: Problems) -> Axis | None:
    found = [entry_value(key, entry, (*loc, key), problems) for key, entry in entries.items()]
    values = [value for value in found if value is not None]
    return _checked(Axis(name=name, kind="mapping", values=tuple(values)), loc, len(entries), problems)


def plain_value(item: object, loc: Loc, problems: Problems) -> AxisValue | None:
    """A value of a list, or a new one brought by `include`: its key is its text as written."""
    text = as_text(item)
    if text is None or not text.strip():
        what = "a value of an axis must be a word" if text is None else "a value of an axis cannot be empty"
        problems.error(
            loc, what, "write a mapping of keys to texts for more than words" if text is None else "remove it"
        )
        return None
    return AxisValue(key=text, slug=slug(text), text=text, raw=_raw(item, loc, problems))


def entry_value(key: str, entry: object, loc: Loc, problems: Problems) -> AxisValue | None:
    """A value of a mapping: its key, and a text or a mapping of fields with the text among them."""
    fields: dict[str, Json] = {}
    said = entry
    if isinstance(entry, dict):
        fields = {name: _raw(value, (*loc, name), problems) for name, value in entry.items()}
        said = entry.get("text", key)
    text = as_text(said)
    if text is None or not key.strip():
        what = f"'{key}' has no text" if key.strip() else "a key of an axis cannot be empty"
        problems.error(loc, what, f"write '{key or 'key'}: what {{{{ name }}}} prints', or {{text: …}}")
        return None
    return AxisValue(key=key, slug=slug(key), text=text, raw=_raw(said, loc, problems), fields=fields)


def _raw(value: object, loc: Loc, problems: Problems) -> Json:
    try:
        return as_json(value)
    except ValueError:
        return value.text if isinstance(value, Scalar) else ""


def _checked(axis: Axis, loc: Loc, written: int, problems: Problems) -> Axis | None:
    """The axis if all that is written became a value; two names that are one path are reported."""
    if not written:
        problems.error(loc, f"axis '{axis.name}' has no values", "add one or remove the axis")
    taken: dict[str, str] = {}
    for index, value in enumerate(axis.values):
        name = folded(value.slug)
        place: Loc = (*loc, value.key if axis.kind == "mapping" else index)
        if taken.get(name) == value.key:
            problems.error(place, f"axis '{axis.name}' has '{value.key}' twice", "keep one")
        elif name in taken:
            what = f"'{taken[name]}' and '{value.key}' of axis '{axis.name}' would be one path"
            problems.error(place, what, "give one another key")
        taken[name] = value.key
    return axis if len(axis.values) == written else None
