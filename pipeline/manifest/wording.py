"""The templates of a shot: read, and every name and field in them held to what the shot has."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pipeline.manifest.axes import Feeds, Matrix
from pipeline.manifest.model import Axis, AxisValue
from pipeline.manifest.places import Loc, Problems, did_you_mean
from pipeline.manifest.template import LONGEST_TEXT, Expression, Template, TemplateFault

PATH_NAMES = ("step", "candidate")
"""What only `path` may use besides axes and text."""

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Wording:
    """Reads the templates of one shot. lacking: axis -> fields its templates need that some rows do not have."""

    matrix: Matrix
    feeds: Feeds
    text: Mapping[str, str]
    problems: Problems
    lacking: dict[str, set[str]] = field(default_factory=dict)

    def template(self, source: str, loc: Loc, extra: Iterable[str] = ()) -> Template | None:
        """The template; None when it cannot be read or was reported before. extra: further names it may use."""
        template = self._read(lambda: Template(source), loc)
        if template is not None:
            self._check_names(template.names, loc, tuple(extra))
            self._check_fields(template.attributes, loc, sure=not template.branches)
            if template.literal > LONGEST_TEXT:
                said = f"it has {template.literal:,} characters before anything is filled in"
                self.problems.error(loc, said, f"{LONGEST_TEXT:,} at most")
        return template

    def condition(self, source: str, loc: Loc) -> Expression | None:
        """The condition; None when it cannot be read or was reported before."""
        expression = self._read(lambda: Expression(source), loc)
        if expression is not None:
            self._check_names(expression.names, loc, ())
            self._check_fields(expression.attributes, loc, sure=False)
        return expression

    def usable(self, axis: Axis) -> tuple[Axis, tuple[str, ...]]:
        """The axis, its rows without a field that this shot's templates need marked, and what they lack."""
        needed = sorted(self.lacking.get(axis.name, ()))
        if not needed:
            return axis, ()
        values = tuple(_marked(value, needed) for value in axis.values)
        pairs = zip(values, axis.values, strict=True)
        return replace(axis, values=values), tuple(new.problem for new, old in pairs if new is not old)

    def _read(self, make: Callable[[], T], loc: Loc) -> T | None:
        try:
            return make()
        except TemplateFault as fault:
            line = f" (in its line {fault.line})" if fault.line > 1 else ""
            self.problems.error(loc, f"cannot be read as a template{line}: {fault}")
            return None

    def _check_names(self, names: Iterable[str], loc: Loc, extra: tuple[str, ...]) -> None:
        known = (*self.matrix.names, "text", *extra)
        for name in sorted(names):
            if name in PATH_NAMES and name not in known:
                self.problems.error(loc, f"'{name}' is known in `path` only", "remove it")
            elif name not in known:
                self.problems.error(loc, f"nothing is called '{name}' here", did_you_mean(name, known))

    def _check_fields(self, attributes: Mapping[str, frozenset[str]], loc: Loc, *, sure: bool) -> None:
        for name, fields in sorted(attributes.items()):
            axis = self.matrix.axis(name)
            if axis is not None and name not in self.matrix.broken:
                for wanted in sorted(fields - {"key", "text"}):
                    self._check_field(axis, wanted, loc, sure=sure)
            elif name == "text" and not self.problems.is_broken(("text",)):
                for wanted in sorted(fields - self.text.keys()):
                    if not self.problems.is_broken(("text", wanted)):
                        guess = did_you_mean(wanted, self.text) or "add it under text:"
                        self.problems.error(loc, f"text has no '{wanted}'", guess)

    def _check_field(self, axis: Axis, wanted: str, loc: Loc, *, sure: bool) -> None:
        """sure: the field is needed for every value, whatever the others are."""
        if axis.kind == "source" and self._in_every_row(axis.source, wanted):
            return
        values = [value for value in axis.values if not value.problem]
        lacking = [value for value in values if wanted not in value.fields]
        if not lacking:
            return
        if len(lacking) == len(values):
            known = dict.fromkeys(name for value in values for name in value.fields)
            guess = did_you_mean(wanted, [*known, "key"]) or f"the fields of '{axis.name}' are {', '.join(known)}"
            self.problems.error(loc, f"'{axis.name}' has no field '{wanted}'", guess)
        elif sure and axis.kind == "source":
            self.lacking.setdefault(axis.name, set()).add(wanted)
        elif sure:
            what = f"'{axis.name}' has no field '{wanted}' for {', '.join(value.key for value in lacking)}"
            self.problems.error(loc, what, f"add it, or write {{{{ {axis.name}.{wanted} | default('') }}}}")

    def _in_every_row(self, source: str, wanted: str) -> bool:
        """Told from counts (the key is in every usable row): looking through a large feed each time takes minutes."""
        columns = self.feeds.columns[source]
        return columns.get(wanted, 0) == max(columns.values(), default=-1)


def _marked(value: AxisValue, needed: Iterable[str]) -> AxisValue:
    missing = [name for name in needed if name not in value.fields]
    if value.problem or not missing:
        return value
    return replace(value, problem=f"the row '{value.key}' has no {' and no '.join(missing)}")
