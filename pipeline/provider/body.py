"""Request bodies that are read from disk while they are sent: sixteen large inputs are never in memory at once."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pybase64

from pipeline.domain.digest import Json
from pipeline.domain.errors import InputFault
from pipeline.domain.request import Prepared

_CHUNK = 3 * 64 * 1024
"""Bytes read at once; a multiple of three, so that pieces of base64 join without padding between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file's *size* bytes, as they are or as base64."""

    path: Path
    size: int
    base64: bool = False

    @property
    def length(self) -> int:
        """Bytes it takes in the body."""
        return (self.size + 2) // 3 * 4 if self.base64 else self.size

    def chunks(self) -> Iterator[bytes]:
        """Its bytes as sent. Blocks on the disk. Raises InputFault when the file is not what was prepared."""
        try:
            with self.path.open("rb") as file:
                yield from self._read(file)
        except OSError as error:
            raise InputFault(f"{self.path.name}: cannot be read: {error.strerror} (run again)") from error

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        left = self.size
        while left and (chunk := file.read(min(left, _CHUNK))):
            left -= len(chunk)
            yield pybase64.b64encode(chunk) if self.base64 else chunk
        if left or file.read(1):
            raise InputFault(f"{self.path.name}: changed while it was being sent (run again)")


Part: TypeAlias = bytes | FilePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request body of known length."""

    media_type: str
    parts: tuple[Part, ...]

    @property
    def length(self) -> int:
        """Bytes in all: the Content-Length."""
        return sum(part.length if isinstance(part, FilePart) else len(part) for part in self.parts)

    def check(self) -> None:
        """Raises InputFault when a file is gone or has another size: before anything is sent. Blocks."""
        for part in self.parts:
            if isinstance(part, FilePart):
                _check(part)

    def chunks(self) -> Iterator[bytes]:
        """The bytes in order, in pieces. Blocks on the disk. Raises InputFault."""
        for part in self.parts:
            if isinstance(part, FilePart):
                yield from part.chunks()
            else:
                yield part


def _check(part: FilePart) -> None:
    try:
        size = part.path.stat().st_size
    except OSError as error:
        raise InputFault(f"{part.path.name}: cannot be read: {error.strerror} (run again)") from error
    if size != part.size:
        raise InputFault(f"{part.path.name}: has {size} bytes, {part.size} were prepared (run again)")


def data_url(prepared: Prepared) -> tuple[Part, ...]:
    """*prepared* as the pieces of a data URL."""
    head = f"data:{prepared.media_type};base64,".encode("ascii")
    return head, FilePart(path=prepared.path, size=prepared.size, base64=True)


@dataclass(frozen=True, slots=True)
class Slot:
    """A string of a JSON body that is a picture's data URL, between *before* and *after*."""

    prepared: Prepared
    before: str = ""
    after: str = ""


Sendable: TypeAlias = "Json | Slot | Mapping[str, Sendable] | Sequence[Sendable]"
"""JSON with pictures in it."""


def json_body(value: Sendable) -> Body:
    """*value* as compact UTF-8 JSON; each `Slot` becomes a data URL that is read when it is sent."""
    number, cut = 0, _cut(value, "0")
    while cut is None:  # a text of the request happens to be the mark
        number += 1
        cut = _cut(value, str(number))
    pieces, slots = cut
    parts: list[Part] = [pieces[0]]
    for slot, piece in zip(slots, pieces[1:], strict=True):
        parts += (f'"{slot.before}'.encode(), *data_url(slot.prepared), f'{slot.after}"'.encode(), piece)
    return Body(media_type="application/json", parts=tuple(parts))


def _cut(value: Sendable, mark: str) -> tuple[list[bytes], list[Slot]] | None:
    """The JSON around the slots, and the slots; None when the mark that stands for them stands elsewhere too."""
    slots: list[Slot] = []
    mark = f"\x00picture {mark}\x00"

    def marked(found: object) -> str:
        if not isinstance(found, Slot):
            raise TypeError(f"{type(found).__name__} is not JSON")
        slots.append(found)
        return mark

    text = json.dumps(value, default=marked, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    pieces = text.encode("utf-8", "replace").split(json.dumps(mark).encode())
    return (pieces, slots) if len(pieces) == len(slots) + 1 else None


def multipart_body(fields: Sequence[tuple[str, str]], files: Sequence[tuple[str, Prepared]]) -> Body:
    """multipart/form-data: the text *fields* first, then the *files* in order, each with an ASCII name and its type.

    The order is that of OpenAI's SDK; the boundary is made from the content, so that the same request is the same
    bytes every time and the boundary is never in it.
    """
    seed = repr((list(fields), [(name, prepared.digest, prepared.size) for name, prepared in files]))
    boundary = "pipeline-" + hashlib.sha256(seed.encode("utf-8", "surrogatepass")).hexdigest()[:40]
    opening = f"--{boundary}\r\nContent-Disposition: form-data; "
    parts: list[Part] = []
    for name, text in fields:
        parts.append(f'{opening}name="{_quoted(name)}"\r\n\r\n{text}\r\n'.encode("utf-8", "replace"))
    for name, prepared in files:
        named = f'name="{_quoted(name)}"; filename="{_quoted(prepared.filename)}"'
        parts.append(f"{opening}{named}\r\nContent-Type: {prepared.media_type}\r\n\r\n".encode("ascii", "replace"))
        parts += (FilePart(path=prepared.path, size=prepared.size), b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode("ascii"))
    return Body(media_type=f"multipart/form-data; boundary={boundary}", parts=tuple(parts))


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def form_fields(params: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Parameters as the text parts of a form: ``true``, decimals, ``svg[model]``, ``name[]``; None is left out."""
    return [pair for name, value in params.items() for pair in _field(name, value)]


def _field(name: str, value: Json) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case bool():
            yield name, "true" if value else "false"
        case dict():
            for inner, item in value.items():
                yield from _field(f"{name}[{inner}]", item)
        case list():
            for item in value:
                yield from _field(f"{name}[]", item)
        case _:
            yield name, str(value)
