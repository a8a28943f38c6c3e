"""Which cells of a matrix are walked together, left out and added: `zip`, `exclude`, `include`."""

from collections.abc import Mapping, Sequence

from pipeline.domain.digest import Json
from pipeline.manifest.axes import Matrix, entry_value, plain_value
from pipeline.manifest.model import Axis, AxisValue
from pipeline.manifest.places import Loc, Problems, did_you_mean
from pipeline.manifest.providers import Models
from pipeline.manifest.scalars import as_text


def read_zip(
    groups: Sequence[Sequence[str]], loc: Loc, matrix: Matrix, problems: Problems
) -> tuple[tuple[str, ...], ...]:
    """The groups of axes that are walked together; each has two or more axes of one length."""
    taken: set[str] = set()
    for group in groups:
        unknown = [name for name in group if name not in matrix.names]
        for name in unknown:
            problems.error(loc, f"zip: there is no axis '{name}'", did_you_mean(name, matrix.names))
        twice = sorted({name for name in group if name in taken or group.count(name) > 1})
        if twice:
            problems.error(loc, f"zip: axis '{twice[0]}' is named twice", "name each axis once")
        taken.update(group)
        if len(group) < 2:
            problems.error(loc, "zip takes two or more axes", "write [scene, colour]")
        if not unknown and not matrix.broken.intersection(group):
            _check_lengths([axis for axis in matrix.axes if axis.name in group], loc, problems)
    return tuple(tuple(group) for group in groups)


def _check_lengths(axes: Sequence[Axis], loc: Loc, problems: Problems) -> None:
    lengths = {axis.name: len(axis.values) for axis in axes}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        problems.error(loc, f"zip: the axes differ in length: {said}", "give them as many values")


def read_exclude(
    entries: Sequence[Mapping[str, Json]], loc: Loc, matrix: Matrix, problems: Problems
) -> tuple[Mapping[str, Json], ...]:
    """Partial cells: axis names with keys (or `axis.field` with values), lists meaning any of them."""
    made: list[Mapping[str, Json]] = []
    for index, entry in enumerate(entries):
        place: Loc = (*loc, index)
        if not entry:
            problems.error(place, "an empty entry would exclude everything", "name an axis")
        made.append(
            {
                name.removesuffix(".key"): _excluded(name, value, (*place, name), matrix, problems)
                for name, value in entry.items()
            }
        )
    return tuple(made)


def _excluded(name: str, value: Json, loc: Loc, matrix: Matrix, problems: Problems) -> Json:
    axis_name, dot, field = name.partition(".")
    axis = matrix.axis(axis_name)
    if axis is None:
        problems.error(loc, f"exclude: there is no axis '{axis_name}'", did_you_mean(axis_name, matrix.names), key=True)
        return value
    if axis_name in matrix.broken:
        return value
    if dot and field != "key":
        _check_field(axis, field, loc, problems)
        return value
    if isinstance(value, list):
        return [_key(axis, item, loc, problems) for item in value]
    return _key(axis, value, loc, problems)


def _check_field(axis: Axis, field: str, loc: Loc, problems: Problems) -> None:
    known = dict.fromkeys(name for value in axis.values for name in value.fields)
    if field not in known and axis.values:
        problems.error(loc, f"exclude: '{axis.name}' has no field '{field}'", did_you_mean(field, known), key=True)


def _key(axis: Axis, value: Json, loc: Loc, problems: Problems) -> Json:
    """The key that is meant: by its text as written, else by its value."""
    text = "" if value is None or isinstance(value, dict | list) else _text(value)
    for same in (lambda known: text in {known.key, known.text}, lambda known: known.raw == value):
        found = next((known for known in axis.values if same(known)), None)
        if found is not None:
            return found.key
    guess = did_you_mean(text, [known.key for known in axis.values])
    if axis.kind == "source":
        problems.warn(loc, f"exclude: the feed has no row '{text}'", guess)
    else:
        problems.error(loc, f"exclude: axis '{axis.name}' has no value '{text}'", guess)
    return value


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_include(
    entries: Sequence[Mapping[str, object]], loc: Loc, matrix: Matrix, models: Models
) -> tuple[tuple[AxisValue, ...], ...]:
    """Whole cells, in the order of the axes. A list may get a new value, a mapping one that brings its text."""
    problems = models.problems
    made: list[tuple[AxisValue, ...]] = []
    for index, entry in enumerate(entries):
        place: Loc = (*loc, index)
        for name in entry:
            if matrix.axis(name) is None:
                guess = did_you_mean(name, matrix.names)
                problems.error((*place, name), f"include: there is no axis '{name}'", guess, key=True)
        missing = [name for name in matrix.names if name not in entry]
        if missing:
            problems.error(place, f"include names every axis; {', '.join(missing)} is missing", "add it")
        cell = [
            _included(axis, entry[axis.name], (*place, axis.name), models)
            for axis in matrix.axes
            if axis.name in entry and axis.name not in matrix.broken
        ]
        made.append(tuple(value for value in cell if value is not None))
    return tuple(made)


def _included(axis: Axis, written: object, loc: Loc, models: Models) -> AxisValue | None:
    problems = models.problems
    text = as_text(written)
    known = next((value for value in axis.values if text in {value.key, value.text}), None)
    if known is not None:
        return known
    if axis.kind == "mapping" and isinstance(written, dict) and len(written) == 1:
        key, said = next(iter(written.items()))
        return entry_value(key, said, (*loc, key), problems)
    if axis.kind == "list" or text is None:
        return plain_value(written, loc, problems)
    guess = did_you_mean(text, [value.key for value in axis.values])
    if axis.kind == "mapping":
        problems.error(loc, f"include: axis '{axis.name}' has no value '{text}'", guess or "write {key: text}")
        return None
    value = plain_value(written, loc, problems)
    if axis.kind == "source" and value is not None:
        problem = f"the feed has no row '{text}'"
        problems.warn(loc, f"include: {problem}", guess)
        return AxisValue(key=value.key, slug=value.slug, text=value.text, raw=value.raw, problem=problem)
    models.find(text, loc)
    return value
