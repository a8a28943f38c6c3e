"""Where everything in a manifest stands, and the list of what is wrong with it."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.domain.errors import ManifestError, Problem
from pipeline.manifest.scalars import Tree

_LONGEST_LINE = 400

Loc = tuple[str | int, ...]
"""Keys and indexes from the top of a manifest to a value."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file with line and column from 1; line 0: the file, or the option of the command line, as a whole."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(slots=True, kw_only=True)
class Document:
    """A tree and where each of its values and keys stands. file: as the user named it."""

    file: str
    data: Tree
    values: dict[Loc, Place] = field(default_factory=dict)
    keys: dict[Loc, Place] = field(default_factory=dict)

    def place(self, loc: Loc) -> Place:
        """Where a value stands: a list's or mapping's is where its key stands. The nearest parent's when unknown."""
        for end in range(len(loc), 0, -1):
            found = self._own_place(loc[:end])
            if found is not None:
                return found
        return self.values.get((), Place(self.file, 1, 1))

    def key_place(self, loc: Loc) -> Place:
        """Where the key of an entry stands."""
        return self.keys.get(loc) or self.place(loc)

    def _own_place(self, loc: Loc) -> Place | None:
        if isinstance(at(self.data, loc), list | dict) and loc in self.keys:
            return self.keys[loc]
        return self.values.get(loc) or self.keys.get(loc)


class Problems:
    """Everything found wrong (and worth a warning) so far, each once, told at its place."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._errors: dict[Problem, None] = {}
        self._warnings: dict[Problem, None] = {}
        self._broken: set[Loc] = set()

    def error(self, loc: Loc, what: str, instead: str = "", *, key: bool = False) -> None:
        """Adds an error at a value, or at its key; not when something around it is known to be broken already."""
        if not self.is_broken(loc):
            self.error_at(self.document.key_place(loc) if key else self.document.place(loc), what, instead)

    def error_at(self, place: Place, what: str, instead: str = "") -> None:
        """Adds an error at a place, for instance of a feed."""
        self._errors.setdefault(_problem(place, what, instead))

    def warn(self, loc: Loc, what: str, instead: str = "", *, key: bool = False) -> None:
        """Adds a warning at a value, or at its key."""
        self.warn_at(self.document.key_place(loc) if key else self.document.place(loc), what, instead)

    def warn_at(self, place: Place, what: str, instead: str = "") -> None:
        """Adds a warning at a place."""
        self._warnings.setdefault(_problem(place, what, instead))

    def broken(self, loc: Loc) -> None:
        """Says that what stands there is reported, so that nothing is concluded from it."""
        self._broken.add(loc)

    def is_broken(self, loc: Loc) -> bool:
        """Whether the value or something around it is reported."""
        return any(loc[:end] in self._broken for end in range(1, len(loc) + 1))

    def declared(self, section: str) -> tuple[str, ...]:
        """Names under a section of the manifest, also of entries that are broken."""
        return tuple(entries(at(self.document.data, (section,))))

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """All warnings, by position."""
        return tuple(sorted(self._warnings, key=self._order))

    def fail_if_any(self) -> None:
        """Raises ManifestError with all errors, by position, if there are any."""
        if self._errors:
            raise ManifestError(sorted(self._errors, key=self._order))

    def _order(self, problem: Problem) -> tuple[bool, str, int, int]:
        return problem.file != self.document.file, problem.file, problem.line, problem.column


def at(data: object, loc: Loc) -> object:
    """The value at *loc*, None when there is none."""
    for step in loc:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that *word* is most like; empty when it is like none."""
    folded = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else ""


def did_you_mean(word: str, known: Iterable[str], *, listed: bool = True) -> str:
    """`did you mean 'size'?` for the nearest of the known words; else, where *listed*, what there is."""
    words = list(known)
    near = nearest(word, words)
    if near:
        return f"did you mean '{near}'?"
    if listed and words and len(words) <= 12:
        return f"there {'is' if len(words) == 1 else 'are'} {', '.join(words)}"
    return ""


def one_of(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def fatal(place: Place, what: str, instead: str = "") -> ManifestError:
    """A problem after which nothing else can be told."""
    return ManifestError([_problem(place, what, instead)])


def entries(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def _problem(place: Place, what: str, instead: str) -> Problem:
    return Problem(
        file=_one_line(place.file),
        line=place.line,
        column=place.column,
        what=_one_line(what),
        instead=_one_line(instead),
    )


def _one_line(text: str) -> str:
    """The text on one line of bearable length: manifests and feeds may hold line ends and terminal escapes."""
    shown = (
        text if text.isprintable() else "".join(mark if mark.isprintable() else f"\\x{ord(mark):02x}" for mark in text)
    )
    return shown if len(shown) <= _LONGEST_LINE else f"{shown[:_LONGEST_LINE]}…"
