"""Bodies as JSON, whatever a host does to them, without copying megabytes of base64 through the JSON parser."""

import json
import re
from collections.abc import Iterator
from typing import cast

from pipeline.domain.digest import Json

_BASE64_KEY = re.compile(rb'"b64_json"\s*:\s*"')
_SHORT = 512
"""Strings shorter than this are left where they are: cutting them out saves nothing."""
_MARK = "\x00picture:"


class Base64Text(str):
    """A string of a JSON body that was cut out of it unread: *raw* is its bytes (no escapes in them)."""

    __slots__ = ("raw",)
    raw: memoryview

    @classmethod
    def of(cls, raw: memoryview) -> "Base64Text":
        """The cut-out string *raw*; as a ``str`` it is only a mark, its text is never made."""
        text = cls(_MARK)
        text.raw = raw
        return text


def parse(body: bytes) -> Json:
    """The JSON value of a whole *body*; leading white space, a BOM and invalid UTF-8 in strings are borne.

    Long ``b64_json`` strings come as `Base64Text`. NaN and infinities come as None, absurdly long numbers as floats.
    Raises ValueError when it is not JSON, was cut short, or is nested beyond reason.
    """
    skeleton, pieces = _cut(body)
    try:
        value = json.loads(_text(skeleton), parse_constant=lambda _: None, parse_int=_whole)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _restored(cast("Json", value), pieces) if pieces else cast("Json", value)


def _text(body: bytes) -> str:
    if body[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return body.decode("utf-16", "replace")
    return body.decode("utf-8-sig", "replace")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 40 else float(digits)


def _cut(body: bytes) -> tuple[bytes, list[memoryview]]:
    kept: list[bytes] = []
    pieces: list[memoryview] = []
    view, position = memoryview(body), 0
    for start, end in _long_strings(body):
        kept += (body[position:start], json.dumps(f"{_MARK}{len(pieces)}").encode()[1:-1])
        pieces.append(view[start:end])
        position = end
    if not pieces:
        return body, pieces
    kept.append(body[position:])
    return b"".join(kept), pieces


def _long_strings(body: bytes) -> Iterator[tuple[int, int]]:
    # Inside a JSON string the key's quotes would be escaped, so the bytes `"b64_json"` are always a string of its own.
    position = 0
    while match := _BASE64_KEY.search(body, position):
        start = match.end()
        end = body.find(b'"', start)
        if end < 0:
            return
        position = end
        if end - start >= _SHORT and body.find(b"\\", start, end) < 0:
            yield start, end


def _restored(value: Json, pieces: list[memoryview]) -> Json:
    match value:
        case str() if value.startswith(_MARK):
            index = value[len(_MARK) :]
            known = index.isascii() and index.isdigit() and len(index) < 8 and int(index) < len(pieces)
            return Base64Text.of(pieces[int(index)]) if known else value
        case list():
            return [_restored(item, pieces) for item in value]
        case dict():
            return {name: _restored(item, pieces) for name, item in value.items()}
        case _:
            return value


def text_at(value: Json, *path: str) -> str:
    """The string at *path* in nested objects; empty when it is absent or no string. Numbers come as their digits."""
    found = value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else ""


def object_at(value: Json, *path: str) -> dict[str, Json]:
    """The object at *path*; an empty one when it is absent or something else."""
    found = value
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def list_at(value: Json, *path: str) -> list[Json]:
    """The list at *path*; an empty one when it is absent or something else."""
    found = object_at(value, *path[:-1]).get(path[-1])
    return found if isinstance(found, list) else []


def is_html(body: bytes) -> bool:
    """Whether *body* looks like a page for people."""
    start = body[:1024].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")) or b"<html" in start
