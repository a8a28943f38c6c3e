"""How far one POST got, remembered beside its flight recorder."""

from pipeline.domain.request import Head
from pipeline.store import SpoolFlight


class Watched:
    """A flight that remembers how far it got; what was seen decides what a cancelled attempt means."""

    def __init__(self, flight: SpoolFlight) -> None:
        self.spooled = flight
        self.was_sent = False
        self.whole = False
        self.size = 0
        self.seen: Head | None = None

    def sent(self) -> None:
        """The first byte is about to leave."""
        self.spooled.sent()
        self.was_sent = True

    def head(self, head: Head) -> None:
        """Status and headers came."""
        self.seen = head
        self.spooled.head(head)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """A piece of the body came."""
        self.size += len(chunk)
        self.spooled.write(chunk)

    def taken(self) -> bytes:
        """The whole body as it came, not synced: a kill loses nothing of it, a power cut may. Blocks.

        From memory where the disk has no room for it, since the pictures in it may still fit. Raises MachineError.
        """
        body = self.spooled.fragment()
        if self.spooled.trouble is None:
            self.whole = True
            self.spooled.has_come()
        elif not body:
            return self.finish()
        return body

    def finish(self) -> bytes:
        """The whole body, durable. Blocks. Raises DiskFull, MachineError."""
        body = self.spooled.finish()
        self.whole = True
        return body
