"""What a template says in one cell: plain templates are joined from fragments, others rendered and remembered."""

from collections.abc import Callable, Mapping, Sequence

from pipeline.manifest.model import AxisValue
from pipeline.manifest.template import Template, context, look_up, shown
from pipeline.matrix import Cell

REMEMBERED = 4096
"""Renderings kept per template: enough for the axes that turn slowly, bounded for those that do not."""


Seen = Callable[[AxisValue], AxisValue]
"""How a template is to see an axis value."""


def as_is(value: AxisValue) -> AxisValue:
    """The value as it is."""
    return value


def wording(
    template: Template, axes: Sequence[str], text: Mapping[str, str], seen: Seen = as_is
) -> Callable[[Cell], str]:
    """A function from a cell to the rendered text; it raises PipelineError where the template cannot be rendered."""
    if template.plain is not None:
        return Joined(template.plain, axes, text, seen)
    return Rendered(template, axes, text, seen)


class Rendered:
    """Any template: rendered once per combination of the axes it names."""

    def __init__(self, template: Template, axes: Sequence[str], text: Mapping[str, str], seen: Seen) -> None:
        self._template = template
        self._text = text
        self._seen = seen
        self._used = tuple((at, name) for at, name in enumerate(axes) if name in template.names)
        self._told: dict[tuple[str, ...], str] = {}

    def __call__(self, cell: Cell) -> str:
        """The text in that cell."""
        keys = tuple([cell[at].key for at, _ in self._used])
        if keys not in self._told:
            if len(self._told) >= REMEMBERED:
                self._told.clear()
            values = {name: self._seen(cell[at]) for at, name in self._used}
            self._told[keys] = self._template.render(context(values, self._text))
        return self._told[keys]


class Joined:
    """A template of literals and plain substitutions: what each axis value prints is looked up once, then joined.

    A million cells of four axes share a few hundred fragments (each with the words before it); joining them costs a
    twentieth of a rendering.
    """

    def __init__(
        self, plain: Sequence[str | tuple[str, ...]], axes: Sequence[str], text: Mapping[str, str], seen: Seen
    ) -> None:
        fragments: list[tuple[int, Fragments]] = []
        words = ""
        for part in plain:
            if isinstance(part, str) or part[0] not in axes:
                words += part if isinstance(part, str) else shown(look_up(part, context({}, text)))
            else:
                fragments.append((axes.index(part[0]), Fragments(words, part, text, seen)))
                words = ""
        self._fragments = tuple(fragments)
        self._tail = words

    def __call__(self, cell: Cell) -> str:
        """The text in that cell."""
        try:
            return "".join([said[cell[at].key] for at, said in self._fragments]) + self._tail
        except KeyError:
            for at, said in self._fragments:
                said.add(cell[at])
            return self(cell)


class Fragments(dict[str, str]):
    """What one substitution prints, after the words before it, by the key of the axis value."""

    def __init__(self, words: str, names: tuple[str, ...], text: Mapping[str, str], seen: Seen) -> None:
        super().__init__()
        self._words = words
        self._names = names
        self._text = text
        self._seen = seen

    def add(self, value: AxisValue) -> None:
        """Looks up what the substitution prints for a value. Raises TemplateFault when it has no such field."""
        if value.key not in self:
            values = context({self._names[0]: self._seen(value)}, self._text)
            self[value.key] = self._words + shown(look_up(self._names, values))
