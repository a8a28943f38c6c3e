"""A paid POST that is sent once, and a GET that never carries the key by itself.

`HttpPost.send` follows no redirect, retries nothing, asks for an uncompressed answer and streams it into a flight. How
far it got decides what an error means: before the whole request was handed over it is `NotSent`, after that
`OutcomeUnknown`. The evidence is the transport's own trace of its steps; a transport without one (an application in
this process) is judged by what it raised.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.cookiejar import CookieJar, DefaultCookiePolicy
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
from pipeline.provider.body import Body
from pipeline.provider.coding import Decoder, Unreadable
from pipeline.wire import redact

Transport: TypeAlias = httpx.AsyncBaseTransport
"""What carries requests when it is not the network: an application in this process, or a scripted host."""

_KEEPALIVE = 1.0
"""Seconds an idle connection is kept: far below any host's own limit, so that none it gave up is reused."""

_UNSENDABLE = (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL)
_NEVER_LEFT = (
    *_UNSENDABLE,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.WriteError,
    httpx.WriteTimeout,
)
"""What ends a request before it was handed over, where the transport tells no steps."""


class _Progress:
    """How far one POST got."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self._traced = self._tunnel = self._complete = False
        self.sent_at: float | None = None
        self.status = 0

    async def trace(self, name: str, info: Mapping[str, object]) -> None:
        """Is told every step of the transport."""
        self._traced = True
        event = name.partition(".")[2]
        if event == "send_request_headers.started":
            # A proxy's CONNECT goes through the same steps first; it carries nothing of ours.
            self._tunnel = getattr(info.get("request"), "method", b"") == b"CONNECT"
            if not self._tunnel:
                self.begin()
        elif event == "send_request_body.complete" and not self._tunnel:
            self._complete = True

    def begin(self) -> None:
        """The first byte is about to leave."""
        if self.sent_at is None:
            self.sent_at = anyio.current_time()
            self._flight.sent()

    async def chunks(self, body: Body) -> AsyncIterator[bytes]:
        """The body for the transport. Reading a piece of a local file blocks for a fraction of a millisecond."""
        self.begin()
        for chunk in body.chunks():
            yield chunk

    def handed_over(self, error: Exception) -> bool:
        """Whether the request went out whole, given the *error* that ended it; when in doubt it did."""
        if 200 <= self.status < 300:
            return True  # it answered before it had taken everything
        return self._complete if self._traced else not isinstance(error, _NEVER_LEFT)


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
        self._local = transport is not None or is_loopback(base_url)
        # As many tasks as connections: nothing ever queues in the pool, where a cancelled waiter could lose a slot.
        self._limiter = anyio.CapacityLimiter(concurrency)
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(timeout.idle, connect=timeout.connect),
            limits=httpx.Limits(
                max_connections=concurrency, max_keepalive_connections=concurrency, keepalive_expiry=_KEEPALIVE
            ),
            trust_env=not is_loopback(base_url),
            follow_redirects=False,
            cookies=_no_cookies(),
        )

    async def send(self, path: str, body: Body, flight: Flight, *, accept: str, cap: int, candidate: int = 1) -> Head:
        """POSTs *body* to base URL + *path* once and streams the whole answer, decoded, into *flight*.

        cap: bytes of the answer at most. candidate: told to hosts on this machine only, so that a rehearsal, which
        draws the same request the same way every time, gives its candidates different pictures.

        Raises NotSent, OutcomeUnknown, BadRequest (it cannot be sent at all, or an input is no longer what was
        prepared), DiskFull (from the flight). Being cancelled stays being cancelled.
        """
        async with self._limiter:
            progress = _Progress(flight)
            try:
                body.check()
                with anyio.fail_after(self._timeout.total):
                    headers = self._headers(body, accept) | self._rehearsal(candidate)
                    return await self._exchange(path, body, flight, progress, headers=headers, cap=cap)
            except InputFault as error:
                raise BadRequest(str(error)) from error
            except PipelineError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever broke, it decides whether money may be spent
                self._fail(error, progress)

    async def _exchange(
        self, path: str, body: Body, flight: Flight, progress: _Progress, *, headers: dict[str, str], cap: int
    ) -> Head:
        request = self._client.build_request(
            "POST",
            self.base_url + path,
            content=progress.chunks(body),
            headers=headers,
            extensions={"trace": progress.trace},
        )
        response = await self._client.send(request, stream=True)
        try:
            progress.begin()
            progress.status = response.status_code
            seconds = anyio.current_time() - (progress.sent_at or 0.0)
            head = Head(status=response.status_code, headers=_headers_of(response), seconds=seconds)
            flight.head(head)
            await _stream(response, flight.write, cap)
        finally:
            with anyio.CancelScope(shield=True):
                await response.aclose()
        return head

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

    def _fail(self, error: Exception, progress: _Progress) -> NoReturn:
        started = progress.sent_at
        seconds = 0.0 if started is None else anyio.current_time() - started
        answered = Answered(status=progress.status, seconds=seconds)
        words = redact(_words(error, self._timeout), [self.key])
        if progress.handed_over(error):
            progress.begin()
            raise OutcomeUnknown(f"{words}; it was sent and is perhaps billed", answered) from error
        if isinstance(error, _UNSENDABLE):
            raise BadRequest(f"{words} (check base_url and api_key)", answered) from error
        raise NotSent(f"{words}; nothing was asked", answered) from error

    @asynccontextmanager
    async def get(self, url: str, headers: Mapping[str, str]) -> AsyncIterator["Reply"]:
        """A GET over the same transport, for what the same host serves. Adds no key. Raises OSError."""
        async with _get(self._client, url, headers, {}) as reply:
            yield reply

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


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
        cookies=_no_cookies(),
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


async def _stream(response: httpx.Response, write: Callable[[bytes], None], cap: int) -> None:
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
    headers = {name.lower(): value for name, value in response.headers.items()}
    if Decoder.undoes(headers.get("content-encoding", "")):
        # What is handed on is the decoded body: these two would lie about it.
        headers.pop("content-encoding", None)
        headers.pop("content-length", None)
    # A date in `retry-after` is measured against the answer's own; an answer without one is dated on arrival.
    headers.setdefault("date", formatdate(usegmt=True))
    return headers


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


def _no_cookies() -> CookieJar:
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
