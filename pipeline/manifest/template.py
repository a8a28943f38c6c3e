"""Prompt templates and `where` expressions: Jinja2, sandboxed, every name must exist.

``Template(source)`` renders against ``context(values, text)``; ``Expression(source)`` is a condition. Most templates
only put values into a text: those have ``.plain`` parts, which the planner joins without Jinja::

    template = Template("A {{ colour }} {{ product.title }}")
    template.plain                      # ("A ", ("colour",), " ", ("product", "title"))
    "".join(part if isinstance(part, str) else shown(look_up(part, values)) for part in template.plain)

gives exactly what ``template.render(values)`` gives, errors included.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, cast

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.environment import TemplateExpression
from jinja2.parser import Parser

from pipeline.manifest.sandbox import make_environment, refusal, rendered
from pipeline.manifest.seen import TemplateFault, context, look_up, shown

__all__ = ["LONGEST_TEXT", "Expression", "Part", "Template", "TemplateFault", "context", "look_up", "shown"]

LONGEST_TEXT = 32_000
"""Characters of a rendered template at most: what the endpoints take as a prompt."""

Part = str | tuple[str, ...]
"""A piece of a plain template: literal text, or the name (and field) of a value."""

_FAULTS = (
    TemplateError,
    ArithmeticError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    RecursionError,
    SyntaxError,
)


_ENVIRONMENT = make_environment(shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What a template says, before any value is known."""

    names: frozenset[str]
    attributes: Mapping[str, frozenset[str]]
    plain: tuple[Part, ...] | None
    literal: int
    branches: bool


class Template:
    """A text with values to fill in. Raises TemplateFault when it cannot be read or says what is not allowed."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._read = _read(source)

    @property
    def names(self) -> frozenset[str]:
        """Top-level names it uses."""
        return self._read.names

    @property
    def attributes(self) -> Mapping[str, frozenset[str]]:
        """Fields it needs of each name: ``{"product": {"title"}}``; not those under `default` or `is defined`."""
        return self._read.attributes

    @property
    def plain(self) -> tuple[Part, ...] | None:
        """Its parts when it only puts values and fields into a text; None when it decides or filters anything."""
        return self._read.plain

    @property
    def literal(self) -> int:
        """Characters it has whatever the values are, outside of any `if` and `for`."""
        return self._read.literal

    @property
    def branches(self) -> bool:
        """Whether parts of it may go unused, so that a field it names is not needed for every value."""
        return self._read.branches

    @property
    def constant(self) -> str | None:
        """Its text when no value is in it, else None."""
        parts = self.plain
        if parts is None or any(not isinstance(part, str) for part in parts):
            return None
        return "".join(part for part in parts if isinstance(part, str))

    def render(self, values: Mapping[str, object]) -> str:
        """The text, at most 32,000 characters.

        Raises TemplateFault when a name or field is missing, an operation fails or the text is longer.
        """
        if self.plain is None:
            return self.render_with_jinja(values)
        text = "".join(part if isinstance(part, str) else shown(look_up(part, values)) for part in self.plain)
        if len(text) > LONGEST_TEXT:
            raise TemplateFault(f"it makes more than {LONGEST_TEXT:,} characters")
        return text

    def render_with_jinja(self, values: Mapping[str, object]) -> str:
        """As render, always through Jinja: what the short cut for plain templates is held to."""
        try:
            return rendered(_compiled(self.source), values, LONGEST_TEXT)
        except _FAULTS as error:
            raise _fault(error) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.source == other.source

    def __hash__(self) -> int:
        return hash((Template, self.source))

    def __repr__(self) -> str:
        return f"Template({self.source!r})"


class Expression:
    """A condition, as in `where`. Raises TemplateFault when it cannot be read or says what is not allowed."""

    def __init__(self, source: str) -> None:
        self.source = source
        tree = _parsed(lambda: _expression_tree(source))
        self.names: frozenset[str] = frozenset(meta.find_undeclared_variables(tree))
        """Top-level names it uses."""
        self.attributes: Mapping[str, frozenset[str]] = _attributes(tree, self.names)
        """Fields it needs of each name."""

    @cached_property
    def _evaluator(self) -> TemplateExpression:
        return _ENVIRONMENT.compile_expression(self.source, undefined_to_none=False)

    def evaluate(self, values: Mapping[str, object]) -> bool:
        """Whether it holds. Raises TemplateFault when a name or field is missing or an operation fails."""
        try:
            return bool(self._evaluator(dict(values)))
        except _FAULTS as error:
            raise _fault(error) from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.source == other.source

    def __hash__(self) -> int:
        return hash((Expression, self.source))

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


@lru_cache(maxsize=4096)
def _read(source: str) -> _Read:
    tree = _parsed(lambda: _ENVIRONMENT.parse(source))
    names = frozenset(meta.find_undeclared_variables(tree))
    outputs = [node for node in tree.body if isinstance(node, nodes.Output)]
    return _Read(
        names=names,
        attributes=_attributes(tree, names),
        plain=_plain(tree),
        literal=sum(len(part.data) for node in outputs for part in node.nodes if isinstance(part, nodes.TemplateData)),
        branches=any(True for _ in tree.find_all((nodes.If, nodes.For, nodes.CondExpr, nodes.And, nodes.Or))),
    )


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Compiled:
    return _ENVIRONMENT.from_string(source)


def _parsed(parse: Callable[[], nodes.Template]) -> nodes.Template:
    try:
        tree = parse()
        refused = refusal(tree)
        if not refused:
            meta.find_undeclared_variables(tree)  # also finds filters and tests that do not exist
    except TemplateSyntaxError as error:
        raise TemplateFault(str(error.message), error.lineno) from error
    except RecursionError as error:
        raise TemplateFault("it is nested too deeply") from error
    if refused:
        raise TemplateFault(refused)
    return tree


def _expression_tree(source: str) -> nodes.Template:
    parser = Parser(_ENVIRONMENT, source, state="variable")
    expression = parser.parse_expression()
    if not parser.stream.eos:
        raise TemplateSyntaxError("one condition is expected, and more follows it", parser.stream.current.lineno)
    output = nodes.Output([expression], lineno=1)
    return cast(nodes.Template, nodes.Template([output], lineno=1).set_environment(_ENVIRONMENT))


def _attributes(tree: nodes.Template, names: frozenset[str]) -> dict[str, frozenset[str]]:
    needed: dict[str, set[str]] = {}
    optional = {_field(node.node) for node in tree.find_all((nodes.Filter, nodes.Test)) if _guards(node)}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        found = _field(node)
        if found and found[0] in names and found not in optional:
            needed.setdefault(found[0], set()).add(found[1])
    return {name: frozenset(fields) for name, fields in needed.items()}


def _guards(node: Any) -> bool:
    return node.name in {"default", "d", "defined", "undefined"}


def _field(node: nodes.Node | None) -> tuple[str, str] | None:
    match node:
        case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
            return name, attribute
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(attribute))):
            return name, attribute
    return None


def _plain(tree: nodes.Template) -> tuple[Part, ...] | None:
    parts: list[Part] = []
    for output in tree.body:
        for node in output.nodes if isinstance(output, nodes.Output) else (output,):
            match node:
                case nodes.TemplateData(data=text):
                    parts.append(text)
                case nodes.Name(name=name):
                    parts.append((name,))
                case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
                    parts.append((name, attribute))
                case _:
                    return None
    return tuple(parts)


def _fault(error: Exception) -> TemplateFault:
    message = str(error).replace("_Words", "str").replace("_Whole", "int").replace("_Real", "float")
    if isinstance(error, TypeError) and "str" in message:
        message += "; a cell of a table is text: write {{ name | float }} to count with it"
    return TemplateFault(message)
