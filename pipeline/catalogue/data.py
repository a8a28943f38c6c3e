"""The catalogue's YAML with the place of every key, one document over another, and what is wrong where."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import ValidationError

from pipeline.domain.errors import ManifestError, Problem

Path_: TypeAlias = tuple[str, ...]
"""Keys from the top of a document down to one value."""

LARGEST_FILE = 1024 * 1024
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SECTIONS = ("providers", "models")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One source of catalogue data. marks: line and column (from 1) of each key; empty for data not from a file."""

    name: str
    content: Mapping[str, object]
    marks: Mapping[Path_, tuple[int, int]] = field(default_factory=dict)

    def place(self, path: Path_) -> tuple[int, tuple[int, int]]:
        """How deep this document goes along *path*, and the line and column of the last key it has of it."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.marks:
                return depth, self.marks[path[:depth]]
        return 0, (0, 0)

    def has(self, path: Path_) -> bool:
        """Whether the document says anything at *path*."""
        here: object = self.content
        for key in path:
            if not isinstance(here, Mapping) or key not in here:
                return False
            here = here[key]
        return True


def packaged(name: str) -> Document:
    """One of the YAML files beside this module."""
    text = (files("pipeline.catalogue") / name).read_text(encoding="utf-8")
    return parse(text, f"catalogue/{name}")


def read_document(file: Path) -> Document:
    """A user's catalogue file. Blocks. Raises ManifestError with every fault of its structure."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise ManifestError([_fault(str(file), "a catalogue file has at most 1 MiB")])
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ManifestError([_fault(str(file), f"cannot be read: {error.strerror or error}")]) from error
    except UnicodeDecodeError as error:
        raise ManifestError([_fault(str(file), "is not UTF-8 text", "save it as UTF-8")]) from error
    return parse(text, str(file))


def parse(text: str, name: str) -> Document:
    """A document from YAML text. Raises ManifestError for broken YAML, duplicate keys, aliases, unknown sections."""
    try:
        node = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        what = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ManifestError([Problem(file=name, line=line, column=column, what=f"broken YAML: {what}")]) from error
    reader = _Reader(name)
    content = reader.value(node, ()) if node is not None else {}
    if not isinstance(content, dict):
        reader.problems.append(_fault(name, "a catalogue is a mapping", "write providers: and models:"))
        content = {}
    if reader.problems:
        raise ManifestError(reader.problems)
    document = Document(name=name, content=content, marks=reader.marks)
    check_sections(document)
    return document


class _Reader:
    """Turns YAML nodes into plain values and remembers where each key was."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[Path_, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._seen: set[int] = set()
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: Path_) -> object:
        # One node reached twice is an alias; without them a small file cannot grow into a huge one.
        if id(node) in self._seen:
            self._report(node, "aliases are not understood here", "write the keys again, or use like:")
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, str(index))) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _pairs(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, object]]:
        keys: set[str] = set()
        for key_node, value_node in node.value:
            # Keys are taken as written: `1K`, `512` and `2026-11-21` all stay text.
            key = str(key_node.value)
            self.marks[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in keys:
                self._report(key_node, f"{key!r} is there twice", "keep one of them")
            keys.add(key)
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.Node) -> Hashable:
        try:
            made: Hashable = self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError):
            self._report(node, f"{str(node.value)[:40]!r} cannot be read as {node.tag}", "quote it, without a tag")
            return None
        return made

    def _report(self, node: yaml.Node, what: str, instead: str) -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(file=self.name, line=mark.line + 1, column=mark.column + 1, what=what, instead=instead)
        )


def check_sections(document: Document) -> None:
    """Raises ManifestError unless the document has only known sections of the right form and version."""
    problems = []
    for key, value in document.content.items():
        if key == "version":
            if value != 1:
                problems.append(_at(document, (key,), f"version {value} is not known", "write version: 1"))
        elif key not in SECTIONS:
            problems.append(
                _at(document, (key,), f"unknown key {key!r}", did_you_mean(key, SECTIONS) or "known: providers, models")
            )
        elif value is not None and not isinstance(value, Mapping):
            problems.append(_at(document, (key,), f"{key} is a mapping of names to entries"))
        else:
            problems += [
                _at(document, (key, name), f"{key}.{name} is a mapping")
                for name, entry in (value or {}).items()
                if not isinstance(entry, Mapping) and entry is not None
            ]
    if problems:
        raise ManifestError(problems)


def merge(base: object, over: object) -> object:
    """*over* laid over *base*, key by key; lists and values replace. A null stays until `without_nulls`."""
    if not isinstance(base, Mapping) or not isinstance(over, Mapping):
        return over
    merged: dict[str, object] = dict(base)
    for key, value in over.items():
        merged[key] = merge(merged[key], value) if key in merged else value
    return merged


def without_nulls(value: object) -> object:
    """*value* less every key that is null: that is how one document removes what another one says.

    Done last, so that a provider's null still removes a key of the model it is laid over.
    """
    if not isinstance(value, Mapping):
        return value
    return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}


def problems_of(error: ValidationError, path: Path_, documents: Sequence[Document], also: Path_ = ()) -> list[Problem]:
    """Each fault pydantic found in the entry at *path*, at its place in the last document that wrote it.

    also: a second path whose keys were laid over the entry (a provider's own words about a model).
    """
    problems = []
    for fault in error.errors(include_url=False, include_context=False):
        inner = tuple(str(part) for part in fault["loc"])
        here = [(*root, *inner) for root in (also, path) if root]
        document, place = _deepest(here, documents)
        said = "no such key" if fault["type"] == "unexpected_keyword_argument" else fault["msg"]
        what = f"{'.'.join(here[0])}: {said}"
        problems.append(Problem(file=document.name, line=place[0], column=place[1], what=what))
    return problems


def _deepest(paths: Sequence[Path_], documents: Sequence[Document]) -> tuple[Document, tuple[int, int]]:
    found = [(*document.place(path), document) for path in paths for document in reversed(documents)]
    _, place, document = max(found, key=lambda each: each[0])
    return document, place


def closest(word: str, known: Sequence[str]) -> str:
    """The known word most like *word*; empty when none is."""
    return next(iter(get_close_matches(word, known, n=1, cutoff=0.6)), "")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``did you mean X?`` for the closest known word; empty when none is close."""
    close = closest(word, known)
    return f"did you mean {close}?" if close else ""


def _at(document: Document, path: Path_, what: str, instead: str = "") -> Problem:
    _, (line, column) = document.place(path)
    return Problem(file=document.name, line=line, column=column, what=what, instead=instead)


def _fault(name: str, what: str, instead: str = "") -> Problem:
    return Problem(file=name, line=0, column=0, what=what, instead=instead)
