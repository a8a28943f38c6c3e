"""Paid POSTs over asyncio protocols: no pool to search, no task to wake for each piece of a body.

The one file that speaks asyncio itself; where the loop is another, or a proxy stands between, stock httpx carries the
requests (`carrying`). Measured against it: `docs/performance.md`.
"""

import asyncio  # noqa: TID251 - BufferedProtocol is what makes it lean; every wait here is inside an anyio scope
import select
import ssl
from collections.abc import Mapping
from functools import partial

import anyio
import anyio.lowlevel
import httpx

from pipeline.domain.capability import Timeout
from pipeline.provider.addresses import is_address
from pipeline.provider.arrival import Arrival
from pipeline.provider.body import Body
from pipeline.provider.http1 import AnswerReader, Garbled
from pipeline.provider.progress import Progress

KEEPALIVE = 1.0
"""Seconds an idle connection is kept: far below any host's own limit, so that none it gave up is reused."""

_BUFFER = 512 * 1024


def is_here() -> bool:
    """Whether the event loop that runs now is asyncio's (or one that looks like it)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class LeanCarrier:
    """Connections to one origin, as many as requests are under way at once. For one event loop."""

    def __init__(self, *, timeout: Timeout, trust_env: bool) -> None:
        self._timeout = timeout
        self._trust_env = trust_env
        self._idle: list[_Line] = []
        self._targets: dict[str, httpx.URL] = {}
        self._context: ssl.SSLContext | None = None
        # One for all of them: a piece is handed on before the loop reads the next, and a small place stays in the
        # processor's cache.
        self._buffer = memoryview(bytearray(_BUFFER))

    async def post(
        self, url: str, headers: Mapping[str, str], body: Body, progress: Progress, arrival: Arrival
    ) -> None:
        """One POST, its answer told to *arrival*. Raises httpx's errors, InputFault, what *arrival* raises."""
        progress.connecting()
        target = self._targets.get(url) or self._targets.setdefault(url, httpx.URL(url))
        line = self._reused() or await self._opened(target)
        reader = AnswerReader(arrival.head, arrival.data)
        try:
            await line.exchange(_head_of(target, headers), body, progress, reader)
            arrival.end()
        finally:
            if reader.whole and reader.reusable and line.is_free():
                self._idle.append(line)
            else:
                line.abort()

    def _reused(self) -> "_Line | None":
        """The connection that answered last, if that is less than a second ago and it is still there."""
        while self._idle:
            line = self._idle.pop()
            if line.is_fresh():
                return line
            line.abort()
        return None

    async def _opened(self, target: httpx.URL) -> "_Line":
        loop = asyncio.get_running_loop()
        secure = target.scheme == "https"
        host = target.raw_host.decode("ascii").strip("[]")
        try:
            with anyio.fail_after(self._timeout.connect):
                _, line = await loop.create_connection(
                    partial(_Line, loop, self._timeout.idle, self._buffer),
                    host,
                    target.port or (443 if secure else 80),
                    ssl=self._tls() if secure else None,
                    # For a name: its addresses in turn, the next one when one is slow. (Cancelled in it, Python 3.11
                    # leaves a socket to the garbage collector, so not where there is but one address.)
                    happy_eyeballs_delay=None if is_address(host) else 0.25,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection") from error
        except OSError as error:
            raise httpx.ConnectError(str(error) or type(error).__name__) from error
        return line

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            # httpx's own: certifi's roots, or those SSL_CERT_FILE and SSL_CERT_DIR name.
            self._context = httpx.create_ssl_context(trust_env=self._trust_env)
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    async def aclose(self) -> None:
        """Closes the connections."""
        for line in self._idle:
            line.abort()
        self._idle.clear()
        await anyio.lowlevel.checkpoint()  # in which they go


class _Line(asyncio.BufferedProtocol):
    """One connection and the one exchange that is under way on it. idle: seconds without a byte that end it.
    buffer: where pieces of answers come, each handed on before the loop brings another."""

    def __init__(self, loop: asyncio.AbstractEventLoop, idle: float, buffer: memoryview) -> None:
        self._loop = loop
        self._patience = idle
        self._buffer = buffer
        self._transport: asyncio.Transport
        self._reader: AnswerReader | None = None
        self._over: asyncio.Future[None] = loop.create_future()
        self._room: asyncio.Future[None] | None = None
        self._heard = loop.time()
        self._sending = self._full = self._lost = False

    async def exchange(self, head: bytes, body: Body, progress: Progress, reader: AnswerReader) -> None:
        """Sends one request and waits for its whole answer. Raises httpx's errors, what *body* and *reader* raise."""
        self._over, self._reader, self._heard = self._loop.create_future(), reader, self._loop.time()
        self._watch = self._loop.call_later(self._patience, self._look)
        try:
            if self._lost:
                raise httpx.ConnectError("the host hung up at once")
            progress.begin()
            if await self._send(head, body):
                progress.complete()
            await self._over
        finally:
            self._watch.cancel()
            self._reader = None
            if self._over.done() and not self._over.cancelled():
                self._over.exception()  # an error that a cancelled caller will not fetch is no news

    async def _send(self, head: bytes, body: Body) -> bool:
        """Whether everything was handed over; not when the exchange was over before."""
        self._sending = True
        for number, chunk in enumerate(body.chunks()):
            if number:
                await anyio.lowlevel.checkpoint()  # a large upload takes its turn, and hears of a host that hung up
            if self._over.done():
                return False
            self._transport.write(chunk if number else head + chunk)
            self._heard = self._loop.time()
            while self._full and not self._over.done():
                self._room = self._loop.create_future()
                await self._room
        # When it ends just now, what the kernel took decides, not who was woken first.
        self._sending = self._full
        return not self._full

    def is_free(self) -> bool:
        """Whether the last request went out whole and the connection is still there."""
        return not (self._sending or self._full or self._lost)

    def is_fresh(self) -> bool:
        """Whether it may carry another request: used within the last second, and nothing came since, not even an end
        that the loop has not told yet."""
        if self._lost or self._loop.time() - self._heard > KEEPALIVE:
            return False
        waiting = select.poll()
        waiting.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not waiting.poll(0)

    def abort(self) -> None:
        """Closes the connection at once."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        self._heard = self._loop.time()
        if self._reader is None:
            self._transport.abort()  # nobody asked
            return
        try:
            self._reader.feed(self._buffer[:nbytes])
        except Garbled as error:
            self._end(httpx.RemoteProtocolError(str(error)))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever waits for the answer
            self._end(error)
        else:
            if self._reader.whole:
                self._end(None)

    def eof_received(self) -> None:
        """The host will send nothing more. The connection closes."""
        self._lost = True
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        self._ended(exc)

    def pause_writing(self) -> None:
        """The kernel takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """It takes more again."""
        self._full = False
        self._heard = self._loop.time()
        self._wake()

    def _ended(self, broken: Exception | None) -> None:
        if self._reader is None or self._over.done():
            return
        if broken is not None:
            self._end(httpx.ReadError(str(broken) or type(broken).__name__))
            return
        try:
            self._reader.end()
        except Garbled as error:
            self._end(httpx.RemoteProtocolError(str(error)))
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self._over.done():
            if error is None:
                self._over.set_result(None)
            else:
                self._over.set_exception(error)
        self._wake()

    def _wake(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    def _look(self) -> None:
        """Ends the exchange when nothing moved for as long as patience lasts."""
        left = self._heard + self._patience - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
        else:
            self._end(httpx.WriteTimeout("stalled") if self._sending else httpx.ReadTimeout("stalled"))


def _head_of(target: httpx.URL, headers: Mapping[str, str]) -> bytes:
    lines = [f"POST {target.raw_path.decode('ascii')} HTTP/1.1", f"Host: {target.netloc.decode('ascii')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
