"""Room on disk for answers on their way: reserved before a request is sent, as much as answers have taken so far."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pipeline.changing import Change
from pipeline.domain.errors import DiskFull
from pipeline.domain.record import Intent
from pipeline.purchase.judge import SIZE

T = TypeVar("T")

USUAL_PIXELS = 1024 * 1024
FIRST_GUESS = 3.0
"""Bytes of answer per pixel before one was seen: a PNG of photographic noise takes two, base64 a third more."""

SLACK = 1.5
LEAST = 64 * 1024


class Room:
    """One for all providers of a run, since they share a disk.

    A reservation that fails while other answers are on their way waits for one of them to land and give its room
    back; only when nothing is on its way is the disk really full.
    """

    def __init__(self) -> None:
        self._flying = 0
        self._seen = 0.0
        self._landed = 0
        self._changed = Change()

    def wanted(self, intent: Intent) -> int:
        """Bytes to reserve for an attempt's answer."""
        per_pixel = self._seen * SLACK if self._seen else FIRST_GUESS
        return max(LEAST, int(_pixels(intent) * per_pixel)) * len(intent.slots)

    async def reserve(self, intent: Intent, take: Callable[[int], Awaitable[T]]) -> T:
        """What *take* gives for so many bytes; call `freed` once for it. Raises DiskFull."""
        while True:
            landed = self._landed
            try:
                taken = await take(self.wanted(intent))
            except DiskFull:
                if not self._flying:
                    raise
                if landed == self._landed:
                    await self._changed.wait()
            else:
                self._flying += 1
                return taken

    def freed(self, intent: Intent, size: int) -> None:
        """An answer landed (or did not come) and gave its room back. size: bytes that came of it."""
        self._flying -= 1
        self._seen = max(self._seen, size / (_pixels(intent) * len(intent.slots)))
        self._landed += 1
        self._changed.tell()


def _pixels(intent: Intent) -> int:
    size = intent.slots[0].parts.params.get("size")
    match = SIZE.match(size) if isinstance(size, str) else None
    return max(1, int(match[1]) * int(match[2])) if match else USUAL_PIXELS
