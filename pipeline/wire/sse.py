"""Server-sent events of a whole body, read as loosely as hosts write them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.domain.digest import Json
from pipeline.wire.bodies import parse, text_at

_FIELD = re.compile(rb"(?:data|event|id|retry)[ \t]*:|:", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event that holds JSON. name: the JSON's own ``type`` where it has one, else the ``event:`` line's."""

    name: str
    value: Json


def is_stream(body: bytes) -> bool:
    """Whether *body* begins like an event stream, whatever its headers say."""
    return _FIELD.match(body[:256].removeprefix(b"\xef\xbb\xbf").lstrip()) is not None


def events(body: bytes) -> Iterator[ServerEvent]:
    """The events of *body* in order.

    Comments, ``[DONE]``, and what is no JSON (an event that was cut) are left out; a prefix said twice
    (``data: data: {…}``) counts once; the last event needs no empty line after it.
    """
    name, data = b"", list[bytes]()
    for line in body.removeprefix(b"\xef\xbb\xbf").splitlines():  # bytes split at \r, \n and \r\n alone
        if not line:
            yield from _event(name, data)
            name, data = b"", []
            continue
        field, _, value = line.partition(b":")
        match field.strip().lower():
            case b"data":
                data.append(_unprefixed(value))
            case b"event":
                name = value.strip()
            case _:
                pass  # a comment, an id, a retry
    yield from _event(name, data)


def _unprefixed(value: bytes) -> bytes:
    value = value.strip()
    while value[:5].lower() == b"data:":
        value = value[5:].lstrip()
    return b"" if value.startswith(b":") else value


def _event(name: bytes, data: list[bytes]) -> Iterator[ServerEvent]:
    # Several data lines are one value; where they are not, the host forgot the empty lines between its events.
    whole = list(_parsed(name, [b"\n".join(data)]))
    yield from whole or (_parsed(name, data) if len(data) > 1 else ())


def _parsed(name: bytes, texts: list[bytes]) -> Iterator[ServerEvent]:
    for text in texts:
        if not text.startswith((b"{", b"[")):
            continue
        try:
            value = parse(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield ServerEvent(name=text_at(value, "type") or name.decode("ascii", "replace"), value=value)
