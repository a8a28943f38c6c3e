"""A shot's matrix as cells, one after another: nothing is ever expanded into a list.

``Matrix(shot, text)`` gives ``cells(models)`` (an iterator), ``count(models)`` and ``holds(cell)``.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from math import prod
from operator import itemgetter

from pipeline.domain.digest import Json
from pipeline.domain.errors import PipelineError, UserError
from pipeline.manifest.model import AxisValue, Shot
from pipeline.manifest.template import Expression, context

Cell = tuple[AxisValue, ...]
"""One combination of a shot's axis values, in the order of the axes as written."""

MODEL_AXIS = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Filter:
    """A condition on some positions of a cell. ready: axes bound (in expansion order) when it can be told."""

    ready: int
    apply: Callable[[Iterable[Cell]], Iterator[Cell]]


class Matrix:
    """The cells of one shot: product of the axes, zipped groups, ``where``, then ``exclude``, then ``include``."""

    def __init__(self, shot: Shot, text: Mapping[str, str]) -> None:
        self._shot = shot
        self._text = text
        self._names = tuple(axis.name for axis in shot.axes)
        self._groups = _groups(shot, self._names)
        expansion = tuple(chain.from_iterable(self._groups))
        self._at = {self._names[position]: index for index, position in enumerate(expansion)}
        in_order = tuple(expansion.index(position) for position in range(len(expansion)))
        self._reorder = None if in_order == tuple(range(len(in_order))) else itemgetter(*in_order)
        self._expansion = tuple(self._names[position] for position in expansion)
        self._filters = sorted(self._conditions(), key=lambda each: each.ready)
        self._includes = self._new_includes()

    def cells(self, models: Collection[str] | None = None) -> Iterator[Cell]:
        """Each cell once: the first axis turns slowest; included cells come last.

        models: where given and the shot has a ``model`` axis, only cells of these aliases. A row of a feed that
        ``where`` cannot be told for is kept with its ``problem`` set. Raises UserError when ``where`` fails on values
        that are the manifest's own.
        """
        cells = self._crossed(models)
        yield from cells if self._reorder is None else map(self._reorder, cells)
        yield from self._included(models)

    def count(self, models: Collection[str] | None = None) -> int:
        """How many cells there are; axes behind the last condition are multiplied, not walked."""
        columns = self._columns(models)
        bound = self._filters[-1].ready if self._filters else 0
        head, width = 0, 0
        while width < bound:
            width += len(self._groups[head])
            head += 1
        walked = sum(1 for _ in self._staged(columns[:head]))
        return walked * prod(len(column) for column in columns[head:]) + sum(1 for _ in self._included(models))

    def holds(self, cell: Sequence[AxisValue]) -> bool:
        """Whether the crossed part (without ``include``) has a cell with these keys; told without expanding."""
        wanted = [cell[self._names.index(name)].key for name in self._expansion]
        columns: list[list[Cell]] = []
        for column, group in zip(self._columns(None), self._groups, strict=True):
            keys, wanted = wanted[: len(group)], wanted[len(group) :]
            columns.append([choice for choice in column if [value.key for value in choice] == keys])
        return any(True for _ in self._staged(columns))

    def _crossed(self, models: Collection[str] | None) -> Iterator[Cell]:
        return self._staged(self._columns(models))

    def _columns(self, models: Collection[str] | None) -> list[list[Cell]]:
        """Per group its choices: tuples of one value, or of several for zipped axes."""
        columns = []
        for group in self._groups:
            rows = zip(*(self._shot.axes[position].values for position in group), strict=True)
            names = [self._names[position] for position in group]
            columns.append([row for row in rows if models is None or _has_model(names, row, models)])
        return columns

    def _staged(self, columns: Sequence[Sequence[Cell]]) -> Iterator[Cell]:
        """The product of *columns*, each condition applied as soon as what it needs is bound."""
        cells: Iterator[Cell] = iter([()])
        pending: list[Sequence[Cell]] = []
        width, filters = 0, list(self._filters)
        while filters and filters[0].ready == 0:
            cells = filters.pop(0).apply(cells)
        for column, group in zip(columns, self._groups, strict=False):
            pending.append(column)
            width += len(group)
            if filters and filters[0].ready <= width:
                cells, pending = _extended(cells, pending), []
            while filters and filters[0].ready <= width:
                cells = filters.pop(0).apply(cells)
        return _extended(cells, pending) if pending else cells

    def _conditions(self) -> Iterator[_Filter]:
        if self._shot.where is not None:
            yield self._where(self._shot.where)
        for exclude in self._shot.exclude:
            yield self._exclusion(exclude)

    def _where(self, where: Expression) -> _Filter:
        used = [index for index, name in enumerate(self._expansion) if name in where.names]
        ready = max(used, default=-1) + 1
        told: dict[tuple[str, ...], bool | str] = {}

        def apply(cells: Iterable[Cell]) -> Iterator[Cell]:
            for cell in cells:
                at = tuple(cell[index].key for index in used)
                if at not in told:
                    told[at] = self._told(where, cell)
                answer = told[at]
                if answer is True:
                    yield cell
                elif answer:
                    yield self._blamed(cell, used, str(answer))

        return _Filter(ready=ready, apply=apply)

    def _told(self, where: Expression, cell: Cell) -> bool | str:
        """What ``where`` says to a cell; words when it fails."""
        values = dict(zip(self._expansion, cell, strict=False))
        try:
            return where.evaluate(context(values, self._text))
        except PipelineError as error:
            return str(error) or "cannot be told"

    def _blamed(self, cell: Cell, used: Sequence[int], why: str) -> Cell:
        """The cell with its feed row blamed: dropping it silently would lose the row's assets."""
        for index in used:
            axis = self._shot.axis(self._expansion[index])
            if axis is not None and axis.kind == "source":
                row = cell[index]
                blamed = replace(row, problem=row.problem or f"`where` cannot be told: {why}")
                return (*cell[:index], blamed, *cell[index + 1 :])
        raise UserError(f"shots.{self._shot.name}.where: {why}")

    def _exclusion(self, exclude: Mapping[str, Json]) -> _Filter:
        """A partial match excludes: a cell goes when every named axis (or ``axis.field``) has a wanted value."""
        tests: dict[int, Callable[[AxisValue], bool]] = {}
        for name, wanted in exclude.items():
            axis, _, field = name.partition(".")
            index = self._at[axis]
            tests[index] = _both(tests.get(index), _matcher(field, wanted))
        excluded = [(index, self._excluded_keys(index, test)) for index, test in tests.items()]

        def apply(cells: Iterable[Cell]) -> Iterator[Cell]:
            return (cell for cell in cells if not all(cell[index].key in keys for index, keys in excluded))

        return _Filter(ready=max(tests, default=-1) + 1, apply=apply)

    def _excluded_keys(self, index: int, test: Callable[[AxisValue], bool]) -> frozenset[str]:
        axis = self._shot.axes[self._names.index(self._expansion[index])]
        return frozenset(value.key for value in axis.values if test(value))

    def _new_includes(self) -> tuple[Cell, ...]:
        """Included cells that the matrix does not have already, each once."""
        seen: dict[tuple[str, ...], Cell] = {}
        for cell in self._shot.include:
            keys = tuple(value.key for value in cell)
            if keys not in seen and not self.holds(cell):
                seen[keys] = cell
        return tuple(seen.values())

    def _included(self, models: Collection[str] | None) -> Iterator[Cell]:
        return (cell for cell in self._includes if models is None or _has_model(self._names, cell, models))


def _groups(shot: Shot, names: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    """Positions that are walked together; a zipped group stands where its first axis is written."""
    zipped = [tuple(sorted(names.index(name) for name in group)) for group in shot.zip]
    together = {position: group for group in zipped for position in group}
    groups = [together.get(position, (position,)) for position in range(len(names))]
    return tuple(dict.fromkeys(groups))


def _extended(cells: Iterator[Cell], columns: Sequence[Sequence[Cell]]) -> Iterator[Cell]:
    """Each cell with each combination of the columns behind it."""
    if all(len(column) == 0 or len(column[0]) == 1 for column in columns):
        flat = [tuple(value for (value,) in column) for column in columns]
        return (head + tail for head in cells for tail in product(*flat))
    return (head + tuple(chain.from_iterable(tail)) for head in cells for tail in product(*columns))


def _has_model(names: Sequence[str], row: Sequence[AxisValue], models: Collection[str]) -> bool:
    return all(name != MODEL_AXIS or value.key in models for name, value in zip(names, row, strict=True))


def _both(
    first: Callable[[AxisValue], bool] | None, second: Callable[[AxisValue], bool]
) -> Callable[[AxisValue], bool]:
    return second if first is None else lambda value: first(value) and second(value)


def _matcher(field: str, wanted: Json) -> Callable[[AxisValue], bool]:
    """Whether a value is one of the wanted; a list matches any of its members."""
    any_of = wanted if isinstance(wanted, list) else [wanted]

    def matches(value: AxisValue) -> bool:
        if field and field != "key":
            return field in value.fields and any(_same(value.fields[field], each) for each in any_of)
        return any(_same(value.key, each) or _same(value.raw, each) for each in any_of)

    return matches


def _same(have: Json, wanted: Json) -> bool:
    """Equality as people mean it: 7 is the feed's "7", but true is not 1."""
    if isinstance(have, bool) or isinstance(wanted, bool):
        return have is wanted or (str(have).lower() == str(wanted).lower() and not _numbers(have, wanted))
    return have == wanted or (have is not None and wanted is not None and str(have) == str(wanted))


def _numbers(*values: Json) -> bool:
    return any(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
