"""The Jinja2 environment of manifests: what a template may say, so that no manifest runs code or fills the memory.

The rule: output, `if` and one level of `for` over data; no calls, no assignments, no macros, no imports; operators
on numbers only (`+` and `~` join text); the filters below. Without assignments and nested loops nothing can be made
to grow but by writing it, the filters that could are bounded, and the text is measured while it is made.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST = 1_000_000
"""Characters that any filter may make out of a value."""

_LARGEST = 10**18

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Filter,
    nodes.Test,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.BinExpr,
    nodes.UnaryExpr,
    nodes.Concat,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
)

_KEPT_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "int", "items", "last", "length"),
    *(
        "list",
        "lower",
        "map",
        "max",
        "min",
        "reject",
        "rejectattr",
        "reverse",
        "select",
        "selectattr",
        "sort",
        "string",
    ),
    *("striptags", "sum", "title", "trim", "unique", "upper", "urlencode", "wordcount"),
)


class Missing(StrictUndefined):
    """What a name or field that is not there stands for: any use of it is an error that names it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"nothing is called '{self._undefined_name}' here"


class Fielded(ABC):
    """What has fields for templates: tells them by name."""

    __slots__ = ()

    @abstractmethod
    def look_up(self, name: str) -> object:
        """The field of that name. Raises KeyError when there is none."""

    @abstractmethod
    def called(self) -> str:
        """What messages call it."""


def field_of(value: object, name: str, undefined: Callable[[str], Any]) -> Any:
    """The field *name* of a value, or whatever *undefined* makes of the line that says it is missing."""
    if isinstance(value, Fielded):
        try:
            return value.look_up(name)
        except KeyError:
            return undefined(f"{value.called()} has no field '{name}'")
    if isinstance(value, Mapping):
        return value[name] if name in value else undefined(f"there is no '{name}' here")
    if isinstance(value, Undefined):
        return getattr(value, name)
    return undefined(f"there is no '{name}' in {type(value).__name__} values")


class Environment(ImmutableSandboxedEnvironment):
    """Templates see data, never objects: an attribute is a field, and nothing can be called."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The field *attribute*; of a loop its counters."""
        if isinstance(obj, LoopContext):
            return super().getattr(obj, attribute)
        return field_of(obj, attribute, lambda hint: self.undefined(hint, obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """The field or the item *argument*."""
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        try:
            return obj[argument]
        except (LookupError, TypeError, AttributeError):
            return self.undefined(f"there is no item {argument!r} here", obj, argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers that stay readable; `+` joins text. Raises SecurityError for the rest."""
        if operator == "**":
            raise SecurityError("'**' is not allowed")
        if operator != "+" and not (_is_number(left) and _is_number(right)):
            raise SecurityError(f"'{operator}' needs two numbers")
        made = super().call_binop(context, operator, left, right)
        if _is_number(made) and not abs(made) < _LARGEST:
            raise SecurityError(f"'{operator}' makes a number that is too large")
        return made


def refusal(tree: nodes.Template | nodes.Expr) -> str:
    """Why a parsed template may not be used; empty when it may."""
    for node in tree.find_all(nodes.Node):
        if isinstance(node, nodes.Call):
            return "nothing can be called here: use a filter, as in {{ name | upper }}"
        if isinstance(node, nodes.Getattr) and node.attr.startswith("__"):
            return f"'{node.attr}' is not allowed: a field's name does not begin with '__'"
        if not isinstance(node, _ALLOWED):
            return f"'{type(node).__name__.lower()}' is not allowed: only output, if, for and filters are"
        if isinstance(node, nodes.For) and (node.recursive or any(_inner_loops(node))):
            return "a loop inside a loop is not allowed"
    return ""


def make_environment(finalize: Callable[[Any], str]) -> Environment:
    """An environment that prints values through *finalize*."""
    environment = Environment(undefined=Missing, autoescape=False, finalize=finalize)
    environment.globals.clear()
    kept = {name: _measured(environment.filters[name]) for name in _KEPT_FILTERS}
    environment.filters.clear()
    environment.filters.update(kept)
    environment.filters.update(join=_join, replace=_replace, round=_round, tojson=_tojson, truncate=_truncate)
    return environment


def rendered(template: Template, values: Mapping[str, object], longest: int) -> str:
    """The template's text. Raises SecurityError once it is longer than *longest* characters, before it is whole."""
    parts: list[str] = []
    length = 0
    for part in template.generate(dict(values)):
        length += len(part)
        if length > longest:
            raise SecurityError(f"it makes more than {longest:,} characters")
        parts.append(part)
    return "".join(parts)


def _inner_loops(loop: nodes.For) -> Iterable[nodes.For]:
    for part in (*loop.body, *loop.else_):
        if isinstance(part, nodes.For):
            yield part
        yield from part.find_all(nodes.For)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _measured(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter, refusing to give more than LONGEST: repeated (`x | list | string`), even harmless ones explode."""

    @wraps(function)
    def measured(*args: Any, **options: Any) -> Any:
        made = function(*args, **options)
        if isinstance(made, str | list):
            _bounded(len(made))
        return made

    return measured


def _bounded(length: int) -> None:
    if length > LONGEST:
        raise TemplateRuntimeError(f"a filter makes more than {LONGEST:,} characters")


def _text(value: object) -> str:
    if isinstance(value, Undefined):
        return str(value)
    return value if type(value) is str else str(value)


def _join(value: Iterable[object], d: str = "") -> str:
    """The items of a list as one text with *d* between them."""
    parts: list[str] = []
    length = 0
    for item in value:
        parts.append(_text(item))
        length += len(parts[-1]) + len(d)
        _bounded(length)
    return d.join(parts)


def _replace(value: object, old: str, new: str) -> str:
    """The text with every *old* as *new*."""
    text = _text(value)
    _bounded(len(text) + (text.count(old) * (len(new) - len(old))))
    return text.replace(old, new)


def _round(value: float, precision: int = 0) -> float:
    """The number rounded half to even, to 0 to 12 places; a whole number when precision is 0."""
    if not 0 <= precision <= 12 or not math.isfinite(value):
        raise TemplateRuntimeError("round takes a number and 0 to 12 places")
    return round(float(value), precision) if precision else round(value)


def _tojson(value: object) -> str:
    """The value as JSON on one line."""
    made = json.dumps(value, ensure_ascii=False, default=str)
    _bounded(len(made))
    return made


def _truncate(value: object, length: int = 255, end: str = "…") -> str:
    """The text, cut to *length* characters with *end* as the last of them."""
    text = _text(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end
