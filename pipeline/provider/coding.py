"""Content-Encodings that were not asked for, undone piece by piece: a bomb is stopped at the cap, not after it."""

import zlib
from collections.abc import Iterator

_PIECE = 256 * 1024
_GZIP = {"gzip", "x-gzip"}
_DEFLATE = {"deflate"}


class Unreadable(Exception):
    """A body that cannot be had whole: cut, damaged, or longer than its cap."""


class Decoder:
    """Undoes one Content-Encoding in bounded memory.

    A body that says gzip and is none is passed on as it is: hosts behind careless proxies do that, and the picture in
    it is paid for. Encodings we cannot read are passed on as they come.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower()
        self._inflate: "zlib._Decompress | None" = None  # noqa: UP037 - typeshed's name, not there at run time
        self._begun = self._encoding not in _GZIP | _DEFLATE
        self._head = b""

    @staticmethod
    def undoes(encoding: str) -> bool:
        """Whether a body of this Content-Encoding is handed on decoded."""
        return encoding.strip().lower() in _GZIP | _DEFLATE

    def feed(self, chunk: bytes | memoryview) -> Iterator[bytes | memoryview]:
        """The decoded bytes of *chunk* in pieces of at most 256 KiB. Raises Unreadable."""
        if not self._begun:
            self._head += chunk
            if len(self._head) < 2:
                return
            chunk, self._head = self._head, b""
            self._begin(chunk)
        if self._inflate is None:
            yield chunk
        else:
            yield from self._inflated(chunk)

    def end(self) -> bytes:
        """What was held back. Raises Unreadable when the encoded body is not whole."""
        if self._inflate is not None and not self._inflate.eof:
            raise Unreadable("the compressed answer was cut short")
        return self._head

    def _begin(self, start: bytes) -> None:
        self._begun = True
        if self._encoding in _GZIP and start[:2] == b"\x1f\x8b":
            self._inflate = zlib.decompressobj(wbits=31)
        elif self._encoding in _DEFLATE and start.lstrip()[:1] not in {b"{", b"["}:
            zlib_header = start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
            self._inflate = zlib.decompressobj(wbits=15 if zlib_header else -15)

    def _inflated(self, chunk: bytes | memoryview) -> Iterator[bytes]:
        inflate = self._inflate
        assert inflate is not None
        while chunk:
            try:
                piece = inflate.decompress(chunk, _PIECE)
            except zlib.error as error:
                raise Unreadable("the compressed answer is damaged") from error
            if piece:
                yield piece
            if inflate.eof:
                return
            chunk = inflate.unconsumed_tail
