"""How far one POST got: what decides whether its failure is surely free or perhaps billed."""

from collections.abc import AsyncIterator, Mapping

import anyio
import httpx

from pipeline.ports import Flight
from pipeline.provider.body import Body

UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)
"""What is wrong with the request itself."""

_NEVER_LEFT = (
    *UNSENDABLE,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
"""What ends a request before it was handed over, where the transport tells no steps."""


class Progress:
    """How far one POST got.

    The evidence is the transport's own account of its steps; a transport without one (an application in this process)
    is judged by what it raised.
    """

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._traced = self._tunnel = self._complete = False
        self.sent_at: float | None = None
        self.status = 0

    async def trace(self, name: str, info: Mapping[str, object]) -> None:
        """Is told every step of httpx's transport."""
        self._traced = True
        event = name.partition(".")[2]
        if event == "send_request_headers.started":
            # A proxy's CONNECT goes through the same steps first; it carries nothing of ours.
            self._tunnel = getattr(info.get("request"), "method", b"") == b"CONNECT"
            if not self._tunnel:
                self.begin()
        elif event == "send_request_body.complete" and not self._tunnel:
            self._complete = True

    def connecting(self) -> None:
        """A transport that tells its steps begins: what it does not tell did not happen."""
        self._traced = True

    def begin(self) -> None:
        """The first byte is about to leave."""
        if self.sent_at is None:
            self.sent_at = anyio.current_time()
            self._flight.sent()

    def complete(self) -> None:
        """The last byte was handed to the kernel."""
        self._complete = True

    async def chunks(self, body: Body) -> AsyncIterator[bytes]:
        """The body for httpx. Reading a piece of a local file blocks for a fraction of a millisecond."""
        self.begin()
        for chunk in body.chunks():
            yield chunk

    def handed_over(self, error: Exception) -> bool:
        """Whether the request went out whole, given the *error* that ended it; when in doubt it did."""
        if 200 <= self.status < 300:
            return True  # it answered before it had taken everything
        return self._complete if self._traced else not isinstance(error, _NEVER_LEFT)
