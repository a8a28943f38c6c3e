"""A paid POST that is sent once, and a GET that never carries the key by itself.

`HttpPost.send` follows no redirect, retries nothing, asks for an uncompressed answer and streams it into a flight. How
far it got decides what an error means: before the whole request was handed over it is `NotSent`, after that
`OutcomeUnknown`. Two carriers bring it there: our own on asyncio, and stock httpx everywhere else (`carrying`).
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn, TypeAlias
from urllib.parse import urlsplit

import anyio
import httpx

from pipeline.domain.capability import Timeout
from pipeline.domain.errors import (
    Answered,
    BadRequest,
    InputFault,
    NotSent,
    OutcomeUnknown,
    PipelineError,
)
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.ports import Flight
from pipeline.provider.addresses import is_address, is_loopback
from pipeline.provider.arrival import Arrival, decoded_headers
from pipeline.provider.body import Body
from pipeline.provider.carrying import Carrier, goes_lean
from pipeline.provider.coding import Decoder, Unreadable
from pipeline.provider.lean import KEEPALIVE, LeanCarrier
from pipeline.provider.progress import UNSENDABLE, Progress
from pipeline.provider.stock import StockCarrier, no_cookies
from pipeline.wire import redact

Transport: TypeAlias = httpx.AsyncBaseTransport
"""What carries requests when it is not the network: an application in this process, or a scripted host."""

_LOG = logging.getLogger(__name__)


class HttpPost:
    """The connections to one host with one key, at most *concurrency* of them. Owned by whoever closes it.

    transport: carries the requests instead of the network.
    """

    def __init__(
        self, *, base_url: str, key: Secret, timeout: Timeout, concurrency: int, transport: Transport | None = None
    ) -> None:
        self.base_url = base_url
        self.key = key
        self._timeout = timeout
        self._transport = transport
        self._local = transport is not None or is_loopback(base_url)
        self._concurrency = concurrency
        # As many tasks as connections: nothing ever queues in the pool, where a cancelled waiter could lose a slot.
        self._limiter = anyio.CapacityLimiter(concurrency)
        self._opened: httpx.AsyncClient | None = None
        self._carrier: Carrier | None = None

    @property
    def _client(self) -> httpx.AsyncClient:
        """Stock httpx, made when it is first needed: reading the roots of TLS alone takes 20 ms."""
        if self._opened is None:
            self._opened = httpx.AsyncClient(
                transport=self._transport,
                timeout=httpx.Timeout(self._timeout.idle, connect=self._timeout.connect),
                limits=httpx.Limits(
                    max_connections=self._concurrency,
                    max_keepalive_connections=self._concurrency,
                    keepalive_expiry=KEEPALIVE,
                ),
                trust_env=not is_loopback(self.base_url),
                follow_redirects=False,
                cookies=no_cookies(),
            )
        return self._opened

    def _carrying(self) -> Carrier:
        if self._carrier is None:
            trust_env = not is_loopback(self.base_url)
            if self._transport is None and goes_lean(self.base_url, trust_env=trust_env):
                self._carrier = LeanCarrier(timeout=self._timeout, trust_env=trust_env)
            else:
                self._carrier = StockCarrier(self._client)
        return self._carrier

    async def send(self, path: str, body: Body, flight: Flight, *, accept: str, cap: int, candidate: int = 1) -> Head:
        """POSTs *body* to base URL + *path* once and streams the whole answer, decoded, into *flight*.

        cap: bytes of the answer at most. candidate: told to hosts on this machine only, so that a rehearsal, which
        draws the same request the same way every time, gives its candidates different pictures.

        Raises NotSent, OutcomeUnknown, BadRequest (it cannot be sent at all, or an input is no longer what was
        prepared), DiskFull (from the flight). Being cancelled stays being cancelled.
        """
        async with self._limiter:
            progress = Progress(flight)
            try:
                body.check()
                with anyio.fail_after(self._timeout.total):
                    headers = self._headers(body, accept) | self._rehearsal(candidate)
                    arrival = Arrival(flight, progress, cap)
                    await self._carrying().post(self.base_url + path, headers, body, progress, arrival)
                    _LOG.debug("POST %s%s: %d", self.base_url, path, progress.status)
                    return arrival.told
            except InputFault as error:
                raise BadRequest(str(error)) from error
            except PipelineError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever broke, it decides whether money may be spent
                self._fail(error, progress)

    def _headers(self, body: Body, accept: str) -> dict[str, str]:
        headers = {
            "Accept": accept,
            "Accept-Encoding": "identity",
            "Content-Type": body.media_type,
            "Content-Length": str(body.length),
            "User-Agent": "pipeline",
        }
        return headers | self.authorization()

    def _rehearsal(self, candidate: int) -> dict[str, str]:
        return {"x-pipeline-candidate": str(candidate)} if candidate > 1 and self._local else {}

    def authorization(self) -> dict[str, str]:
        """The header that carries the key; empty without a key."""
        return {"Authorization": f"Bearer {self.key.reveal()}"} if self.key else {}

    def _fail(self, error: Exception, progress: Progress) -> NoReturn:
        started = progress.sent_at
        seconds = 0.0 if started is None else anyio.current_time() - started
        answered = Answered(status=progress.status, seconds=seconds)
        words = redact(_words(error, self._timeout), [self.key])
        if progress.handed_over(error):
            progress.begin()
            raise OutcomeUnknown(f"{words}; it was sent and is perhaps billed", answered) from error
        if isinstance(error, UNSENDABLE):
            raise BadRequest(f"{words} (check base_url and api_key)", answered) from error
        raise NotSent(f"{words}; nothing was asked", answered) from error

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator["Reply"]:
        """A GET over the same transport, for what the same host serves. Adds no key. Raises OSError."""
        async with _get(self._client, url, headers, {}) as reply:
            yield reply

    async def aclose(self) -> None:
        """Closes the connections."""
        if self._carrier is not None:
            await self._carrier.aclose()
        if self._opened is not None:
            await self._opened.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer to a GET. read: brings the body, decoded, or raises OSError when it is longer than the bytes given."""

    status: int
    headers: Mapping[str, str]
    read: Callable[[int], Awaitable[bytes]]


@asynccontextmanager
async def get_pinned(
    url: str, *, server: str, bounds: Timeout, transport: Transport | None = None
) -> AsyncIterator[Reply]:
    """A GET to the address *url* names, speaking (and checking the certificate) as the host *server*.

    The host was resolved and its address checked by the caller, so nothing here resolves again, no proxy stands
    between, and no redirect is followed. Raises OSError.
    """
    host = urlsplit(f"//{server}").hostname or server
    async with httpx.AsyncClient(
        transport=transport,
        timeout=httpx.Timeout(bounds.idle, connect=bounds.connect),
        trust_env=False,
        follow_redirects=False,
        cookies=no_cookies(),
    ) as client:
        extensions = {} if is_address(host) else {"sni_hostname": host}
        async with _get(client, url, {"Host": server}, extensions) as reply:
            yield reply


@asynccontextmanager
async def _get(
    client: httpx.AsyncClient, url: str, headers: Mapping[str, str], extensions: Mapping[str, object]
) -> AsyncIterator[Reply]:
    sent = {"Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity", "User-Agent": "pipeline", **headers}
    try:
        async with client.stream("GET", url, headers=sent, extensions=dict(extensions)) as response:

            async def read(cap: int) -> bytes:
                body = bytearray()
                try:
                    await _stream(response, body.extend, cap)
                except (httpx.HTTPError, Unreadable) as error:
                    raise OSError(str(error)) from error
                return bytes(body)

            yield Reply(status=response.status_code, headers=_headers_of(response), read=read)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(str(error) or type(error).__name__) from error


async def _stream(response: httpx.Response, write: Callable[[bytes | memoryview], None], cap: int) -> None:
    if response.is_stream_consumed:  # made whole, and decoded, in this process
        write(response.content)
        return
    decoder = Decoder(response.headers.get("content-encoding", ""))
    raw = decoded = 0
    async for chunk in response.aiter_raw():
        raw += len(chunk)
        for piece in decoder.feed(chunk):
            decoded += len(piece)
            if max(raw, decoded) > cap:
                raise Unreadable(f"the answer is longer than {cap:,} bytes and was cut off")
            write(piece)
    if rest := decoder.end():
        write(rest)
    declared = response.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 19 and raw < int(declared):
        raise Unreadable(f"the answer was cut short: {raw:,} of {declared} bytes came")


def _headers_of(response: httpx.Response) -> dict[str, str]:
    return decoded_headers({name.lower(): value for name, value in response.headers.items()})


def _words(error: Exception, timeout: Timeout) -> str:
    match error:
        case TimeoutError():
            return f"no whole answer within {timeout.total:g} s (timeout.total)"
        case httpx.ConnectTimeout():
            return f"no connection within {timeout.connect:g} s (timeout.connect)"
        case httpx.TimeoutException():
            return f"no byte for {timeout.idle:g} s (timeout.idle)"
        case httpx.ConnectError():
            return f"no connection: {error}"
        case httpx.TransportError():
            return f"the connection broke: {str(error) or type(error).__name__}"
        case _:
            return str(error) or type(error).__name__
