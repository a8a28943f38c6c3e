"""Feeds as the values of axes: which rows count, what they are called, and what is wrong with single ones."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.digest import Digest, Json, canonical_json, digest_of
from pipeline.domain.errors import ManifestError, PipelineError
from pipeline.manifest.feed import Row, read_rows
from pipeline.manifest.model import AxisValue, Guard, Source
from pipeline.manifest.names import folded, slug
from pipeline.manifest.paths import similar_file
from pipeline.manifest.places import Loc, Place, Problems, did_you_mean
from pipeline.manifest.schema import GuardEntry, SourceEntry
from pipeline.manifest.template import Expression, TemplateFault


@dataclass(frozen=True, slots=True, kw_only=True)
class _Feed:
    """What the rows of one feed are read with. shown: the file as messages name it."""

    file: Path
    shown: str
    loc: Loc
    key: str
    strict: bool


def read_source(
    name: str, entry: SourceEntry, *, folder: Path, shown_folder: Path, strict: bool, problems: Problems
) -> Source | None:
    """The feed; None when it cannot be used, which is reported. Blocks.

    shown_folder: the folder as the user named it. strict: broken rows are errors, not warnings.
    """
    loc: Loc = ("sources", name)
    feed = _Feed(file=folder / entry.file, shown=str(shown_folder / entry.file), loc=loc, key=entry.key, strict=strict)
    where = _condition(entry, loc, problems)
    if problems.is_broken((*loc, "file")) or problems.is_broken((*loc, "key")):
        return None
    rows = _rows(feed, entry.file, problems)
    if rows is None:
        return None
    if where is not None and not _names_known(where, rows, (*loc, "where"), problems):
        return None
    counted = [_judged(row, where) for row in rows]
    kept = [row for row in counted if row is not None]
    if not kept:
        problems.warn(loc, f"no row of {feed.shown} counts, so its shots make nothing", "check `where`", key=True)
    values, digests = _named(kept, feed, problems)
    return Source(
        name=name,
        file=feed.file,
        key=entry.key,
        rows=tuple(values),
        total=len(rows),
        digests=digests,
        guard=_guard(entry.guard),
    )


def _guard(said: GuardEntry | None) -> Guard | None:
    if said is None:
        return None
    return Guard(min_rows=said.min_rows, max_changed=said.max_changed, max_removed=said.max_removed)


def columns_of(source: Source) -> Counter[str]:
    """How many of the source's usable rows have each field."""
    counts: Counter[str] = Counter()
    for row in source.rows:
        if not row.problem:
            counts.update(row.fields.keys())
    return counts


def _condition(entry: SourceEntry, loc: Loc, problems: Problems) -> Expression | None:
    if entry.where is None:
        return None
    try:
        return Expression(entry.where)
    except TemplateFault as fault:
        problems.error((*loc, "where"), f"the condition cannot be read: {fault}")
        problems.broken((*loc, "where"))
        return None


def _rows(feed: _Feed, written: str, problems: Problems) -> list[Row] | None:
    if not feed.file.is_file():
        problems.error((*feed.loc, "file"), f"there is no file {written}", similar_file(feed.file) or "check the path")
        return None
    try:
        return read_rows(feed.file, feed.shown, feed.key)
    except ManifestError as error:
        for problem in error.problems:
            problems.error_at(Place(problem.file, problem.line, problem.column), problem.what, problem.instead)
        return None


def _names_known(where: Expression, rows: Sequence[Row], loc: Loc, problems: Problems) -> bool:
    columns = dict.fromkeys(column for row in rows for column in row.fields)
    if not columns:
        return True
    wanted = [name for name in where.names if name != "row"] + list(where.attributes.get("row", ()))
    unknown = sorted(name for name in wanted if name not in columns)
    for name in unknown:
        problems.error(loc, f"no row has a column '{name}'", did_you_mean(name, columns))
    return not unknown


def _judged(row: Row, where: Expression | None) -> Row | None:
    """The row, with a problem when nobody can tell whether it counts; None when it does not count."""
    if where is None:
        return row
    try:
        return row if where.evaluate({"row": row.fields, **row.fields}) else None
    except PipelineError as error:
        said = row.problem or f"fails the condition of its source: {error}"
        return Row(line=row.line, fields=row.fields, name=row.name, problem=said)


def _named(rows: Sequence[Row], feed: _Feed, problems: Problems) -> tuple[list[AxisValue], dict[str, Digest]]:
    values: list[AxisValue] = []
    digests: dict[str, Digest] = {}
    taken: dict[str, tuple[str, int]] = {}
    for row, value in _values(rows, feed):
        if value.problem:
            _report_row(row, value, feed, problems)
        name = folded(value.slug)
        if name in taken:
            _report_twice(row, value, taken[name], feed, problems)
            continue
        taken[name] = value.key, row.line
        values.append(value)
        digests[value.key] = digest_of(canonical_json(dict(row.fields)))
    return values, digests


def _values(rows: Sequence[Row], feed: _Feed) -> Iterator[tuple[Row, AxisValue]]:
    for number, row in enumerate(rows, start=1):
        key = _key_text(row.fields.get(feed.key, row.name or None))
        problem = row.problem if key or row.problem else f"has no '{feed.key}'"
        key = key or f"row {number}"
        said = f"{feed.shown}:{row.line}: the row {problem}" if problem else ""
        yield row, AxisValue(key=key, slug=slug(key), text=key, raw=key, fields=row.fields, problem=said)


def _key_text(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def _report_row(row: Row, value: AxisValue, feed: _Feed, problems: Problems) -> None:
    what = value.problem.partition(f":{row.line}: ")[2]
    report = problems.error_at if feed.strict else problems.warn_at
    report(Place(feed.shown, row.line, 1), what, "correct it in the feed; only its own assets fail" * (not feed.strict))


def _report_twice(row: Row, value: AxisValue, before: tuple[str, int], feed: _Feed, problems: Problems) -> None:
    place = Place(feed.shown, row.line, 1)
    if before[0] == value.key:
        problems.error_at(place, f"the key '{value.key}' is already in line {before[1]}", "keep one of the rows")
    else:
        what = f"the keys '{value.key}' and '{before[0]}' (line {before[1]}) would be one path"
        problems.error_at(place, what, "rename one")
