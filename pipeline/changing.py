"""Something that changes again and again, and whoever waits for the next change."""

import anyio


class Change:
    """Wakes those who wait for the next change. To tell of one that nobody waits for costs next to nothing."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: anyio.Event | None = None

    def tell(self) -> None:
        """Something changed: everybody who waits goes on."""
        told, self._next = self._next, None
        if told is not None:
            told.set()

    async def wait(self) -> None:
        """Returns after the next change."""
        if self._next is None:
            self._next = anyio.Event()
        await self._next.wait()
