"""Feed files as rows: a row's fault is the row's alone, a fault of the whole file raises ManifestError."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.domain.digest import Json
from pipeline.manifest.places import Place, did_you_mean, fatal
from pipeline.manifest.scalars import Scalar, Tree, as_json, written_float, written_int
from pipeline.manifest.yaml_text import LARGEST_FILE, decoded, parse, read_bytes

_LARGEST = 512 * 1024 * 1024
_LONGEST_CELL = 16 * 1024 * 1024
_DELIMITERS = ",;\t|"
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row. line: where it starts. name: its key where the file is a mapping. problem: why it cannot be used."""

    line: int
    fields: Mapping[str, Json] = field(default_factory=dict)
    name: str = ""
    problem: str = ""


def read_rows(path: Path, shown: str, key: str) -> list[Row]:
    """All rows of a .csv, .tsv, .json, .jsonl or .yaml file. key: the column that is to be in a table's header.

    Blocks. Raises ManifestError, at the file's own line, for what spoils all of it: not UTF-8, empty, broken quotes or
    brackets, no such column.
    """
    kind = path.suffix.lower()
    reader = _READERS.get(kind)
    if reader is None:
        raise fatal(Place(shown), f"'{kind}' files are not read", "use .csv, .tsv, .json, .jsonl or .yaml")
    data = read_bytes(path, shown, LARGEST_FILE if kind in {".yaml", ".yml"} else _LARGEST)
    text = decoded(data, shown)
    if not text.strip():
        raise fatal(Place(shown), "the file is empty", "export it again")
    return reader(text, shown, key)


def _read_csv(text: str, shown: str, key: str) -> list[Row]:
    return _read_table(text, shown, key, _delimiter(text, key))


def _read_tsv(text: str, shown: str, key: str) -> list[Row]:
    return _read_table(text, shown, key, "\t")


def _delimiter(text: str, key: str) -> str:
    """The delimiter whose header has the key column, else the one that makes most columns."""
    header = text.lstrip("\r\n").partition("\n")[0]
    found = {mark: [cell.strip() for cell in next(csv.reader([header], delimiter=mark), [])] for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: (key in found[mark], len(found[mark])))


def _read_table(text: str, shown: str, key: str, delimiter: str) -> list[Row]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            if header is None and any(cells):
                header = _header(cells, Place(shown, start, 1), key)
            elif header is not None and any(cells):
                rows.append(_table_row(header, cells, start))
            start = reader.line_num + 1
    except csv.Error as error:
        raise fatal(Place(shown, start, 1), f"the quoting is broken: {error}", "close the quote") from error
    return rows


def _header(cells: list[str], place: Place, key: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    named = [name for name in header if name]
    twice = next((name for name in named if named.count(name) > 1), "")
    if twice:
        raise fatal(place, f"the column '{twice}' is there twice", "rename one")
    if key not in header:
        raise fatal(place, f"there is no column '{key}'", did_you_mean(key, named))
    return header


def _table_row(header: list[str], cells: list[str], line: int) -> Row:
    fields: dict[str, Json] = {name: cell for name, cell in zip(header, cells, strict=False) if name}
    problem = ""
    if len(cells) < len(header):
        problem = f"has {len(cells)} of {len(header)} cells"
    elif any(cells[len(header) :]):
        problem = f"has {len(cells)} cells where the header has {len(header)}"
    return Row(line=line, fields=fields, problem=problem)


class _Twice(ValueError):
    """A name is given twice in one object."""


def _pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(f"'{next(name for name in names if names.count(name) > 1)}' is given twice")
    return made


def _no_constant(name: str) -> Json:
    raise _Twice(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_no_constant, parse_float=written_float, parse_int=written_int
)


class _Scanner:
    """Reads the items of one JSON list or object and knows the line of each."""

    def __init__(self, text: str, shown: str) -> None:
        self._text = text
        self._shown = shown
        self._line = 1
        self._counted = 0
        self.position = 0

    def skip(self) -> str:
        """Goes to the next character that is no white space; that character, empty at the end."""
        found = _SPACE.match(self._text, self.position)
        assert found is not None
        self.position = found.end()
        return self._text[self.position : self.position + 1]

    def line(self) -> int:
        """The line of the present position."""
        self._line += self._text.count("\n", self._counted, self.position)
        self._counted = self.position
        return self._line

    def value(self) -> Json:
        """The value that starts here. Raises ManifestError."""
        try:
            made, self.position = _DECODER.raw_decode(self._text, self.position)
        except json.JSONDecodeError as error:
            raise fatal(Place(self._shown, error.lineno, error.colno), f"is not JSON: {error.msg}", "fix it") from error
        except (_Twice, RecursionError) as error:
            raise fatal(Place(self._shown, self.line(), 1), f"cannot be used: {error}", "fix it") from error
        assert isinstance(made, dict | list | str | int | float | None)
        return made

    def expect(self, marks: str) -> str:
        """Takes one of these characters. Raises ManifestError when another stands there."""
        mark = self.skip()
        if not mark or mark not in marks:
            column = self.position - (self._text.rfind("\n", 0, self.position) + 1) + 1
            what = f"is not JSON: one of {' '.join(marks)} is expected"
            raise fatal(Place(self._shown, self.line(), column), what, "fix it")
        self.position += 1
        return mark


def _read_json(text: str, shown: str, key: str) -> list[Row]:
    scanner = _Scanner(text, shown)
    keyed = scanner.expect("[{") == "{"
    rows = list(_json_items(scanner, keyed=keyed, key=key))
    if scanner.skip():
        raise fatal(Place(shown, scanner.line(), 1), "something follows the list", "keep one list of objects")
    _expect_keys(rows, shown, key)
    return rows


def _json_items(scanner: _Scanner, *, keyed: bool, key: str) -> Iterator[Row]:
    closing = "}" if keyed else "]"
    if scanner.skip() == closing:
        scanner.expect(closing)
        return
    while True:
        scanner.skip()
        line = scanner.line()
        name = scanner.value() if keyed else ""
        if keyed:
            scanner.expect(":")
            scanner.skip()
        yield _object_row(scanner.value(), line, str(name), key)
        if scanner.expect("," + closing) == closing:
            return


def _read_jsonl(text: str, shown: str, key: str) -> list[Row]:
    rows: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_object_row(_DECODER.decode(line), number, "", key))
        except (ValueError, RecursionError) as error:
            rows.append(Row(line=number, problem=f"is not a JSON object: {str(error).partition(': line')[0]}"))
    _expect_keys(rows, shown, key)
    return rows


def _read_yaml(text: str, shown: str, key: str) -> list[Row]:
    document, complaints = parse(text, shown)
    if complaints:
        raise fatal(*complaints[0])
    data = document.data
    if isinstance(data, list):
        items: list[tuple[str, Tree, Place]] = [
            ("", entry, document.values[index,]) for index, entry in enumerate(data)
        ]
    elif isinstance(data, dict):
        items = [(name, entry, document.keys[name,]) for name, entry in data.items()]
    else:
        raise fatal(Place(shown, 1, 1), "is neither a list nor a mapping of rows", "write a list of mappings")
    rows = [_yaml_row(entry, place.line, name, key) for name, entry, place in items]
    _expect_keys(rows, shown, key)
    return rows


def _yaml_row(entry: Tree, line: int, name: str, key: str) -> Row:
    try:
        row = _object_row(as_json(entry), line, name, key)
    except ValueError as error:
        return Row(line=line, name=name, problem=f"cannot be used: {error}")
    written = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(written, Scalar) and written.value is not None:
        return Row(line=line, fields={**row.fields, key: written.text}, name=name, problem=row.problem)
    return row


def _object_row(value: Json, line: int, name: str, key: str) -> Row:
    if not isinstance(value, dict):
        return Row(line=line, name=name, problem="is not an object with fields")
    return Row(line=line, fields={key: name, **value} if name else value, name=name)


def _expect_keys(rows: list[Row], shown: str, key: str) -> None:
    """Raises ManifestError when nothing in the file is a row, or none has the key column."""
    readable = [row for row in rows if not row.problem]
    if rows and not readable:
        raise fatal(Place(shown, rows[0].line, 1), f"holds no rows: the first {rows[0].problem}", "list objects")
    if readable and not any(key in row.fields for row in readable):
        place = Place(shown, readable[0].line, 1)
        raise fatal(place, f"no row has a field '{key}'", did_you_mean(key, readable[0].fields))


_READERS: Mapping[str, Callable[[str, str, str], list[Row]]] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".json": _read_json,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}
