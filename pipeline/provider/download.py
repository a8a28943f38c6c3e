"""Pictures behind a url, from an answer or a manifest: fetched at once, bounded, and never from a private place.

A host name is resolved once, every address of it is checked, and the connection goes to a checked address; so a name
that resolves to something else a moment later changes nothing. The key goes to the provider's own origin only, and
never along a redirect.
"""

import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import anyio

from pipeline.domain.capability import Timeout
from pipeline.domain.errors import InputFault, OutcomeUnknown
from pipeline.provider.addresses import is_public
from pipeline.provider.http import HttpPost, Reply, Transport, get_pinned
from pipeline.wire import redact

MAX_REDIRECTS = 3
MAX_BYTES = 64 * 1024 * 1024
"""Of one download."""
LONGEST = 120.0
"""Seconds for one download, redirects and all."""

_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_SAFE = "!#$%&'()*+,/:;=?@[]~"
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*", re.ASCII
)
_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)", re.ASCII)
_LONGEST_URL = 16_384
_MAY_PASS = frozenset({403, 404, 408, 425, 429, *range(500, 600)})
"""Statuses of a store that has not yet got, or cannot just now serve, what it promised."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host and a port -> its addresses as text."""


class NotFetched(Exception):
    """A url whose bytes cannot be had; one line that says why."""


class NotYet(NotFetched):
    """The same, but it may pass: the picture is paid for, and fetching it again costs nothing."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of *host*, from the system's resolver. Raises OSError."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Scheme, host and port: what may be trusted with the key."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """As it stands in a Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def origin_of(url: str) -> tuple[Origin, SplitResult]:
    """The origin of an http(s) *url* and its parts. Raises NotFetched for what no picture's address looks like."""
    if _CONTROL.search(url.strip(" ").replace(" ", "+")) or len(url) > _LONGEST_URL:
        raise NotFetched("the address is too long or holds characters that do not belong into one")
    try:
        parts = urlsplit(quote(url.strip(" "), safe=_SAFE))  # letters of other scripts may stand in a path
        port = parts.port
    except ValueError as error:
        raise NotFetched("the address is malformed") from error
    if parts.scheme not in {"http", "https"}:
        raise NotFetched(f"only http and https are fetched, not {parts.scheme or 'a bare path'}")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise NotFetched("the address carries a user name")
    port = _default_port(parts.scheme) if port is None else port
    if not parts.hostname or port == 0:
        raise NotFetched("the address names no host or port")
    return Origin(scheme=parts.scheme, host=_checked_host(parts.hostname), port=port), parts


def _checked_host(host: str) -> str:
    if ":" in host:
        return _canonical_address(host)
    if _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return _canonical_address(host)  # 2130706433, 0x7f.1 and 0177.0.0.1 are addresses in disguise
    host = host.removesuffix(".")
    if not _HOST_NAME.fullmatch(host):
        raise NotFetched("the address names no proper host")
    return host


def _canonical_address(host: str) -> str:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise NotFetched("the address of the host is not written in its usual form") from error
    if getattr(address, "scope_id", None):
        raise NotFetched("the address of the host names a network interface")
    return str(address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloader:
    """Fetches urls for one provider, or, without *http*, for nobody: then no host gets a key.

    http: the provider's own connections; what lies at its base URL's origin is fetched over them, with the key.
    allow_private: ``host`` or ``host:port`` that may be on private addresses. transport: instead of the network, for
    other origins. bounds: connect and idle limits. waits: seconds before each further try at what may pass.
    """

    http: HttpPost | None = None
    allow_private: tuple[str, ...] = ()
    bounds: Timeout = field(default_factory=lambda: Timeout(total=LONGEST, idle=30.0))
    max_bytes: int = MAX_BYTES
    waits: tuple[float, ...] = (1.0, 4.0)
    resolve: Resolve = resolve
    transport: Transport | None = None

    async def fetch(self, url: str) -> bytes:
        """The bytes of a url result of a paid answer. Raises OutcomeUnknown when they cannot be had."""
        try:
            return await self._fetch(url)
        except NotFetched as error:
            raise OutcomeUnknown(f"{self._shown(url)}: {error}; the picture is perhaps billed") from error

    async def fetch_input(self, url: str) -> bytes:
        """The bytes of an input given as URL. Raises InputFault when they cannot be had."""
        try:
            return await self._fetch(url)
        except NotFetched as error:
            raise InputFault(f"{self._shown(url)}: {error}") from error

    def _shown(self, url: str) -> str:
        return redact(url, [self.http.key] if self.http else (), limit=200)

    async def _fetch(self, url: str) -> bytes:
        longest = min(LONGEST, self.bounds.total)
        try:
            with anyio.fail_after(longest):
                for wait in self.waits:
                    with suppress(NotYet):
                        return await self._once(url)
                    await anyio.sleep(wait)
                return await self._once(url)
        except TimeoutError as error:
            raise NotFetched(f"not there within {longest:g} s") from error

    async def _once(self, url: str) -> bytes:
        try:
            return await self._follow(url)
        except OSError as error:
            raise NotYet(redact(str(error)) or type(error).__name__) from error

    async def _follow(self, url: str) -> bytes:
        for hop in range(MAX_REDIRECTS + 1):
            async with await self._open(url, first=hop == 0) as reply:
                if reply.status in _REDIRECTS and reply.headers.get("location"):
                    url = _joined(url, reply.headers["location"])
                    continue
                return await self._body(reply)
        raise NotFetched(f"more than {MAX_REDIRECTS} redirects")

    async def _body(self, reply: Reply) -> bytes:
        if reply.status != 200:
            raise (NotYet if reply.status in _MAY_PASS else NotFetched)(f"HTTP {reply.status}")
        body = await reply.read(self.max_bytes)
        if not body:
            raise NotFetched("an empty answer")
        return body

    async def _open(self, url: str, *, first: bool) -> AbstractAsyncContextManager[Reply]:
        origin, parts = origin_of(url)
        if self.http is not None and origin == _own_origin(self.http.base_url):
            headers: Mapping[str, str] = self.http.authorization() if first else {}
            return self.http.get(url, headers)
        address = await self._address(origin)
        host = f"[{address}]" if ":" in address else address
        target = f"{origin.scheme}://{host}:{origin.port}{parts.path or '/'}" + (
            f"?{parts.query}" if parts.query else ""
        )
        return get_pinned(target, server=origin.netloc, bounds=self.bounds, transport=self.transport)

    async def _address(self, origin: Origin) -> str:
        # Every address is checked, not only the one that is used: a name that also points inside is no picture's host.
        try:
            literal = ipaddress.ip_address(origin.host)
            found: Sequence[str] = (str(literal),)
        except ValueError:
            found = await self.resolve(origin.host, origin.port)
        if not found:
            raise NotFetched("the host has no address")
        if not self._is_allowed(origin):
            for text in found:
                _refuse_private(text)
        return found[0]

    def _is_allowed(self, origin: Origin) -> bool:
        names = {origin.host, f"{origin.host}:{origin.port}", f"[{origin.host}]", f"[{origin.host}]:{origin.port}"}
        return any(allowed.lower() in names for allowed in self.allow_private)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise NotFetched("it redirects to a malformed address") from error


def _own_origin(base_url: str) -> Origin | None:
    try:
        return origin_of(base_url)[0]
    except NotFetched:
        return None


def _refuse_private(text: str) -> None:
    try:
        public = is_public(ipaddress.ip_address(text))
    except ValueError:
        public = False  # an address with an interface, or none at all
    if not public:
        _refuse()


def _refuse() -> NoReturn:
    raise NotFetched("it leads to a private address (allow the host with `allow_private` if that is meant)")
