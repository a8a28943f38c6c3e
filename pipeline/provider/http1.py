"""An HTTP/1.1 answer read as it comes: its head once, then its body, piece by piece and without a copy. No I/O.

Framing is RFC 9112, section 6: a chunked body ends by itself, one with a length ends there, any other ends with the
connection. What leaves room for doubt (two lengths, a coding besides chunked) is an error, never a guess.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

_LARGEST_HEAD: Final = 100 * 1024
"""Bytes of status line and headers, and of the trailers, at most."""
_LONGEST_SIZE: Final = 4096
"""Bytes of the line that tells the size of a chunk, its extensions included."""

_END: Final = re.compile(rb"\r?\n\r?\n")
_LINE: Final = re.compile(rb"\r?\n")
_STATUS: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\x00\r\n]*)?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00\r\n]*?)[ \t]*")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,15}")
_DIGITS: Final = re.compile(r"[0-9]{1,18}")

Step = Callable[[memoryview], memoryview]


class Garbled(Exception):
    """What came is no HTTP answer, or not all of one."""


class AnswerReader:
    """Takes an answer in pieces of any size and hands on its head and its body.

    on_head: status and headers (names in lower case, values of one name joined by commas) of the final answer.
    on_data: each piece of the body, valid only during the call. After `feed` or `end`: begun, whether the final head
    came; whole, whether the body is all there; reusable, whether another request may follow on the connection.
    """

    def __init__(
        self, on_head: Callable[[int, Mapping[str, str]], None], on_data: Callable[[memoryview], None]
    ) -> None:
        self._on_head = on_head
        self._on_data = on_data
        self._held = bytearray()
        self._left = 0
        self._came = 0
        self._step: Step = self._head
        self.begun = self.whole = self.reusable = False

    def feed(self, data: memoryview) -> None:
        """Takes the next bytes. Raises Garbled, and whatever the two callbacks raise."""
        while len(data) and not self.whole:
            data = self._step(data)
        if len(data):
            self.reusable = False  # more than was asked for: what follows belongs to nobody

    def end(self) -> None:
        """The connection ended. Raises Garbled unless that is how this answer ends, or it was whole before."""
        if self._step == self._until_closed:
            self.whole = True
        elif not self.begun:
            raise Garbled("the host disconnected without an answer" if not self._held else "the head was cut short")
        elif not self.whole:
            due = f" of {self._came + self._left:,}" if self._step == self._counted else ""
            raise Garbled(f"the answer was cut short: {self._came:,}{due} bytes came")

    def _head(self, data: memoryview) -> memoryview:
        start = max(0, len(self._held) - 3)
        self._held += data
        found = _END.search(self._held, start)
        if (found.start() if found else len(self._held)) > _LARGEST_HEAD:
            raise Garbled(f"a head of more than {_LARGEST_HEAD:,} bytes")
        if found is None:
            return data[:0]
        head, rest = bytes(self._held[: found.start()]), memoryview(bytes(self._held[found.end() :]))
        self._held.clear()
        self._begin(head)
        return rest

    def _begin(self, head: bytes) -> None:
        first, _, lines = head.partition(b"\n")
        said = _STATUS.fullmatch(first.rstrip(b"\r"))
        if said is None:
            raise Garbled("no HTTP answer")
        minor, status = int(said[1]), int(said[2])
        if status == 101:
            raise Garbled("the host switched to another protocol")
        if status < 200:
            return  # a word before the answer; which is still to come
        headers = _headers(lines)
        self._step = self._framing(status, headers)
        self.begun = True
        closing = "close" in _tokens(headers.get("connection", ""))
        self.reusable = minor >= 1 and not closing and self._step != self._until_closed
        self._on_head(status, headers)

    def _framing(self, status: int, headers: Mapping[str, str]) -> Step:
        coding, length = _tokens(headers.get("transfer-encoding", "")), headers.get("content-length")
        if status in {204, 304}:
            self.whole = True
        elif coding:
            if coding != ["chunked"]:
                raise Garbled(f"a transfer encoding that was not asked for: {', '.join(coding)[:60]}")
            return self._size
        elif length is not None:
            self._left = _length(length)
            self.whole = not self._left
        else:
            return self._until_closed
        return self._counted

    def _counted(self, data: memoryview) -> memoryview:
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self._hand_on(piece)
        self.whole = not self._left
        return rest

    def _until_closed(self, data: memoryview) -> memoryview:
        self._hand_on(data)
        return data[:0]

    def _hand_on(self, piece: memoryview) -> None:
        self._came += len(piece)
        self._on_data(piece)

    def _size(self, data: memoryview) -> memoryview:
        line, rest = self._line(data, _LONGEST_SIZE)
        if line is not None:
            size = line.partition(b";")[0].strip(b" \t")
            if not _SIZE.fullmatch(size):
                raise Garbled("a chunk without its size")
            self._left = int(size, 16)
            self._step = self._chunk if self._left else self._trailer
        return rest

    def _chunk(self, data: memoryview) -> memoryview:
        piece, rest = data[: self._left], data[self._left :]
        self._left -= len(piece)
        self._hand_on(piece)
        if not self._left:
            self._step = self._after_chunk
        return rest

    def _after_chunk(self, data: memoryview) -> memoryview:
        line, rest = self._line(data, 2)
        if line is not None:
            if line:
                raise Garbled("a chunk longer than its size")
            self._step = self._size
        return rest

    def _trailer(self, data: memoryview) -> memoryview:
        line, rest = self._line(data, _LARGEST_HEAD)
        self._left += len(line or b"")
        if self._left > _LARGEST_HEAD:
            raise Garbled(f"trailers of more than {_LARGEST_HEAD:,} bytes")
        self.whole = line == b""
        return rest

    def _line(self, data: memoryview, longest: int) -> tuple[bytes | None, memoryview]:
        """The next line once it is there, and what follows it."""
        taken = bytes(data[: longest + 2])
        cut = taken.find(b"\n")
        self._held += taken if cut < 0 else taken[:cut]
        if len(self._held) > longest:
            raise Garbled("a line that is too long")
        if cut < 0:
            return None, data[len(taken) :]
        line = bytes(self._held.removesuffix(b"\r"))
        self._held.clear()
        return line, data[cut + 1 :]


def _headers(lines: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in _LINE.split(_FOLD.sub(b" ", lines)):
        if not line:
            continue
        said = _HEADER.fullmatch(line)
        if said is None:
            raise Garbled("a header that is none")
        name, value = said[1].decode("ascii").lower(), _text(said[2])
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _tokens(value: str) -> list[str]:
    return [token for part in value.split(",") if (token := part.strip().lower())]


def _length(value: str) -> int:
    """Content-Length; said twice alike it is one."""
    said = {part.strip() for part in value.split(",")}
    if len(said) != 1 or not _DIGITS.fullmatch(only := said.pop()):
        raise Garbled("a length that is none")
    return int(only)
