"""YAML text → a tree with a place for everything; the only user of the YAML library in this room.

Built from the parser's events, not by its loader: events know where aliases stand, and depth, expansion and tags are
bounded while reading. YAML 1.2 core types; anchors and merge keys work.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.domain.errors import ManifestError
from pipeline.manifest.places import Document, Loc, Place, fatal
from pipeline.manifest.scalars import Scalar, Tree, resolve

LARGEST_FILE = 16 * 1024 * 1024
"""Bytes of a YAML file at most."""

_DEEPEST = 100
_MOST_EXPANDED = 100_000
"""Values that aliases may repeat in all: far beyond any manifest, far below what hurts."""

LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The fast parser where PyYAML was built with it."""

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CORE_TAG = "tag:yaml.org,2002:"
_CORE = frozenset(_CORE_TAG + name for name in ("str", "int", "float", "bool", "null", "seq", "map", "merge"))

_CAUSES = (
    ("mapping values are not allowed", "a ':' stands where none is expected", "quote text that has ': ' in it"),
    ("found unexpected end of stream", "a quote is never closed", "close it"),
    ("could not find expected ':'", "a ':' is missing after a key", "write 'key: value'"),
    ("did not find expected '-' indicator", "a list entry is expected here", "indent it like the entries above"),
    ("did not find expected key", "a key is expected here", "indent it like the keys above; quote text that starts so"),
    ("expected ',' or", "a ',' or the closing bracket is missing", "quote text that has brackets in it"),
    (
        "expected <block end>",
        "a key or entry is expected here",
        "indent it like those above; quote text that starts so",
    ),
    ("expected the node content", "a value is expected here", "quote text that starts with this character"),
    ("did not find expected node content", "a value is expected here", "quote text that starts with this character"),
    ("cannot start any token", "a value cannot start with this character", "quote the text"),
    ("while scanning a block scalar", "this '|' or '>' is followed by something else", "start the text on a new line"),
    ("unknown escape character", "this is no escape of a double-quoted text", "use single quotes, or '\\\\'"),
    ("undefined tag handle", "custom tags are not allowed", "remove the tag"),
)


def read_bytes(path: Path, shown: str, largest: int = LARGEST_FILE) -> bytes:
    """A file's bytes. Raises ManifestError when it is missing, unreadable or over *largest* bytes. Blocks."""
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise fatal(Place(shown), f"cannot be read: {error.strerror}", _nearby(path)) from error
    if len(data) > largest:
        raise fatal(Place(shown), f"is larger than {largest // 1024 // 1024} MiB", "split it")
    return data


def decoded(data: bytes, shown: str) -> str:
    """The text of UTF-8 bytes, without a byte order mark. Raises ManifestError at the first byte that is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise fatal(Place(shown, line, column), what, "save the file as UTF-8") from error


def parse(text: str, shown: str, loader: type = LOADER) -> tuple[Document, list[tuple[Place, str, str]]]:
    """The document, and what is wrong with it that does not stop the reading (duplicate keys).

    Raises ManifestError when it cannot be read: not YAML, a custom tag, an alias bomb, nested over 100 deep.
    """
    odd = _UNPRINTABLE.search(text)
    if odd:
        raise fatal(_place_in(text, odd.start(), shown), f"character U+{ord(odd[0]):04X} is not allowed", "remove it")
    builder = _Builder(shown=shown)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, shown) from error
    return builder.document, builder.complaints


def parse_value(text: str) -> Tree:
    """One value as on a command line: a list, mapping or quoted text in YAML, else a plain word as it stands.

    Raises ManifestError.
    """
    written = text.strip()
    if not written.startswith(("[", "{", '"', "'")) or written.startswith("{{"):
        return resolve(written)
    document, complaints = parse(text, "value")
    if complaints:
        raise fatal(complaints[0][0], complaints[0][1])
    return document.data


@dataclass(slots=True)
class _Frame:
    """A list or mapping being read. key: the entry whose value comes next; None between entries."""

    value: list[Tree] | dict[str, Tree]
    loc: Loc
    anchor: str | None
    size: int = 1
    key: str | None = None
    merging: bool = False
    skipping: bool = False
    merges: list[tuple[Tree, Place]] = field(default_factory=list)


class _Builder:
    def __init__(self, shown: str) -> None:
        self.document = Document(file=shown, data=Scalar("", None))
        self.complaints: list[tuple[Place, str, str]] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Tree, int]] = {}
        self._open: set[str] = set()
        self._expanded = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Takes the next event. Raises ManifestError."""
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._start(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise fatal(self._place(event), "a second document starts here", "keep one in a file")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._check_tag(event)
        plain = event.implicit[0] or event.tag not in {None, f"{_CORE_TAG}str"}
        frame = self._frames[-1] if self._frames else None
        if frame and isinstance(frame.value, dict) and frame.key is None:
            self._begin_entry(frame, event.value, self._place(event), merge=event.implicit[0] and event.value == "<<")
            value: Tree = event.value
        else:
            value = resolve(event.value) if plain else event.value
            self._put(value, 1, self._place(event))
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _begin_entry(self, frame: _Frame, key: str, place: Place, *, merge: bool) -> None:
        assert isinstance(frame.value, dict)
        frame.key, frame.merging, frame.skipping = key, merge, not merge and key in frame.value
        if frame.skipping:
            first = self.document.keys[*frame.loc, key]
            self.complaints.append((place, f"'{key}' is given twice", f"it is already in line {first.line}"))
        elif not merge:
            self.document.keys[*frame.loc, key] = place

    def _start(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._check_tag(event)
        place = self._place(event)
        if len(self._frames) >= _DEEPEST:
            raise fatal(place, f"is nested more than {_DEEPEST} deep", "flatten it")
        value: list[Tree] | dict[str, Tree] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        loc = self._put(value, 0, place)
        self._frames.append(_Frame(value, loc, event.anchor))
        if event.anchor:
            self._open.add(event.anchor)
            self._anchors.pop(event.anchor, None)

    def _end(self) -> None:
        frame = self._frames.pop()
        if frame.merges and isinstance(frame.value, dict):
            self._merge(frame, frame.value)
        if self._frames:
            self._frames[-1].size += frame.size
        if frame.anchor:
            self._open.discard(frame.anchor)
            self._anchors[frame.anchor] = (frame.value, frame.size)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        if event.anchor in self._open:
            raise fatal(place, f"*{event.anchor} stands inside of what it repeats", "remove it")
        if event.anchor not in self._anchors:
            raise fatal(place, f"*{event.anchor} repeats nothing", f"anchor something with &{event.anchor} above")
        value, size = self._anchors[event.anchor]
        self._expanded += size
        if self._expanded > _MOST_EXPANDED:
            raise fatal(place, f"aliases repeat more than {_MOST_EXPANDED:,} values", "write a feed instead")
        frame = self._frames[-1] if self._frames else None
        if frame and isinstance(frame.value, dict) and frame.key is None:
            if not isinstance(value, str | Scalar):
                raise fatal(place, "a key must be one word", "write it out")
            self._begin_entry(frame, value if isinstance(value, str) else value.text, place, merge=False)
        else:
            self._put(value, size, place)

    def _put(self, value: Tree, size: int, place: Place) -> Loc:
        """Gives a value to whom it belongs; the loc it stands at."""
        if not self._frames:
            self.document.data = value
            self.document.values[()] = place
            return ()
        frame = self._frames[-1]
        frame.size += size
        if isinstance(frame.value, list):
            loc: Loc = (*frame.loc, len(frame.value))
            frame.value.append(value)
        else:
            loc = self._put_entry(frame, frame.value, value, place)
        self.document.values.setdefault(loc, place)
        return loc

    def _put_entry(self, frame: _Frame, mapping: dict[str, Tree], value: Tree, place: Place) -> Loc:
        if frame.key is None:
            raise fatal(place, "a key must be one word, not a list or mapping", "quote text that starts so")
        loc: Loc = (*frame.loc, frame.key)
        if frame.merging:
            frame.merges.append((value, place))
        elif not frame.skipping:
            mapping[frame.key] = value
        frame.key = None
        return (*loc, "duplicate") if frame.skipping else loc

    def _merge(self, frame: _Frame, own: dict[str, Tree]) -> None:
        merged: dict[str, Tree] = {}
        for value, place in frame.merges:
            for part in value if isinstance(value, list) else [value]:
                if not isinstance(part, dict):
                    raise fatal(place, "'<<' merges mappings only", "write '<<: *name' of an anchored mapping")
                for key, entry in part.items():
                    merged.setdefault(key, entry)
                    self.document.keys.setdefault((*frame.loc, key), place)
        written = dict(own)
        own.clear()
        own.update(merged | written)

    def _check_tag(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in _CORE:
            raise fatal(self._place(event), "custom tags are not allowed", "remove the tag")

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None
        return Place(self.document.file, mark.line + 1, mark.column + 1)


def _syntax_error(error: yaml.MarkedYAMLError, text: str, shown: str) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = text.splitlines() or [""]
    written = lines[min(line, len(lines) - 1)]
    place = Place(shown, line + 1, column + 1)
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent or written[column : column + 1] == "\t":
        return fatal(place, "a tab stands where YAML wants spaces", "indent with spaces")
    said = f"{error.context or ''} {error.problem or ''}".strip()
    for sign, what, instead in _CAUSES:
        if sign in said:
            return fatal(place, what, instead)
    return fatal(place, f"is not YAML: {said}", "look at this line and the one above")


def _place_in(text: str, position: int, shown: str) -> Place:
    before = text[:position]
    return Place(shown, before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)


def _nearby(path: Path) -> str:
    """What to do about a file that cannot be read."""
    if path.is_dir():
        return "name a file in it"
    return "check the path" if not path.exists() else "check its permissions"
