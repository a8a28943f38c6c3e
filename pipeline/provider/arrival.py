"""An answer on its way into a flight: decoded, counted against its cap, and whole or an error."""

from collections.abc import Mapping
from email.utils import formatdate

import anyio

from pipeline.domain.request import Head
from pipeline.ports import Flight
from pipeline.provider.coding import Decoder, Unreadable
from pipeline.provider.progress import Progress


class Arrival:
    """Takes one answer's head and body. cap: bytes of the body at most, as it comes and decoded."""

    def __init__(self, flight: Flight, progress: Progress, cap: int) -> None:
        self._flight = flight
        self._progress = progress
        self._cap = cap
        self._raw = self._decoded = 0
        self._declared = -1
        self._decoder = Decoder("")
        self._head: Head | None = None

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Status and headers came; names in lower case."""
        progress = self._progress
        progress.begin()
        progress.status = status
        self._decoder = Decoder(headers.get("content-encoding", ""))
        length = headers.get("content-length", "")
        self._declared = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1
        seconds = anyio.current_time() - (progress.sent_at or 0.0)
        self._head = Head(status=status, headers=decoded_headers(headers), seconds=seconds)
        self._flight.head(self._head)

    def data(self, chunk: bytes | memoryview) -> None:
        """A piece of the body came, as it was sent. Raises Unreadable, and what the flight raises."""
        self._raw += len(chunk)
        for piece in self._decoder.feed(chunk):
            self._decoded += len(piece)
            if max(self._raw, self._decoded) > self._cap:
                raise Unreadable(f"the answer is longer than {self._cap:,} bytes and was cut off")
            self._flight.write(piece)

    def made(self, body: bytes) -> None:
        """The whole body came at once, decoded: it was made in this process."""
        self._flight.write(body)

    def end(self) -> None:
        """The body ended. Raises Unreadable when it is not whole."""
        if rest := self._decoder.end():
            self._flight.write(rest)
        if self._raw < self._declared:
            raise Unreadable(f"the answer was cut short: {self._raw:,} of {self._declared} bytes came")

    @property
    def told(self) -> Head:
        """The head of an answer that ended."""
        assert self._head is not None, "a transport ended an answer that it never began"
        return self._head


def decoded_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """*headers* of a body that is handed on decoded, and dated: `retry-after` is measured against the answer's own
    date, and an answer without one is dated on arrival."""
    kept = dict(headers)
    if Decoder.undoes(kept.get("content-encoding", "")):
        # These two would lie about the decoded body.
        kept.pop("content-encoding", None)
        kept.pop("content-length", None)
    kept.setdefault("date", formatdate(usegmt=True))
    return kept
