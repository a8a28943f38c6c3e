"""`NetworkGate`: a network that is down is waited for with one probe at a time instead of burning attempts."""

from collections.abc import Awaitable, Callable

import anyio

from pipeline.domain.errors import NetworkDown

FIRST_PROBE = 1.0
LONGEST_PROBE = 60.0
PROBE_TIMEOUT = 10.0


class NetworkGate:
    """Closes for a provider when two requests in a row could not be sent; the first answer forgets it all.

    probe: opens and closes a TCP connection to the host, true when that worked; costs nothing.
    patience: seconds of ``run.network_wait`` after which the gate gives up. Not a lock: its owner lets one task at a
    time ask `wait` and `knock`.
    """

    def __init__(self, probe: Callable[[], Awaitable[bool]], *, patience: float = 1800.0) -> None:
        self._probe = probe
        self._patience = patience
        self._in_a_row = 0
        self._down_since: float | None = None
        self._closed = False
        self._apart = FIRST_PROBE
        self._next = 0.0

    @property
    def closed(self) -> bool:
        """Whether nothing may be sent before a probe got through."""
        return self._closed

    def heard(self) -> None:
        """The host answered, whatever it said."""
        self._in_a_row, self._down_since, self._closed, self._apart = 0, None, False, FIRST_PROBE

    def not_sent(self, now: float) -> bool:
        """A request could not be sent. Gives whether the gate closed by it.

        A gate that a probe opened closes at the next failure and goes on with the longer waits: a host whose port
        opens but whose TLS fails is as unreachable as none.
        """
        self._in_a_row += 1
        if self._closed or (self._in_a_row < 2 and self._down_since is None):
            return False
        self._down_since = now if self._down_since is None else self._down_since
        self._closed = True
        self._next = now + self._apart
        return True

    def wait(self, now: float) -> float:
        """Seconds until the next probe is due. Raises NetworkDown when the patience is over."""
        assert self._down_since is not None
        left = self._down_since + self._patience - now
        if left <= 0:
            raise NetworkDown(
                f"no connection for {self._patience:g} s (run.network_wait): check the network and run again"
            )
        return max(0.0, min(self._next - now, left))

    async def knock(self) -> None:
        """Probes once; opens the gate when it got through, else the next probe is due twice as late."""
        through = False
        with anyio.move_on_after(PROBE_TIMEOUT):
            try:
                through = await self._probe()
            except OSError:
                through = False
        if through:
            self._closed = False
        self._apart = min(LONGEST_PROBE, self._apart * 2)
        self._next = anyio.current_time() + self._apart
