"""Endpoints from what a manifest says of a provider."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import httpx

from pipeline.domain.capability import Timeout
from pipeline.domain.errors import KeyRefused
from pipeline.domain.request import Answer, Head
from pipeline.domain.secret import Secret
from pipeline.domain.step import Protocol
from pipeline.manifest.model import ProviderSpec
from pipeline.provider.chat import ChatEndpoint
from pipeline.provider.chat_answers import read_chat
from pipeline.provider.download import Downloader
from pipeline.provider.http import HttpPost, Transport
from pipeline.provider.images import ImagesEndpoint, read_images

EMBEDDED = "http://embedded/v1"
"""Where the in-process gateway is, for a transport that needs an address."""

_DEFAULT_CONCURRENCY = 32


class Connections:
    """The connections of a run: one pool for each host and key, shared by the endpoints that agree on both.

    An async context manager; leaving it closes all of them.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[object, ...], HttpPost] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def to(
        self, base_url: str, key: Secret, *, timeout: Timeout, concurrency: int, transport: Transport | None
    ) -> HttpPost:
        """The pool for *base_url* and *key*; the same one for the same arguments."""
        name = (base_url, key, timeout, concurrency, id(transport))
        if name not in self._open:
            self._open[name] = HttpPost(
                base_url=base_url, key=key, timeout=timeout, concurrency=concurrency, transport=transport
            )
            self._stack.push_async_callback(self._open[name].aclose)
        return self._open[name]


def endpoint_for(
    spec: ProviderSpec,
    protocol: Protocol,
    api_key: Secret | str,
    transport: Transport | None = None,
    *,
    connections: Connections | None = None,
) -> ImagesEndpoint | ChatEndpoint:
    """The endpoint of *spec* that speaks *protocol*, with at most ``limits.concurrency`` connections.

    api_key: empty for a host without one. transport: carries the requests instead of the network (the embedded
    gateway, a scripted host). connections: shares and owns the pool; without it the endpoint has one of its own, and
    ``contextlib.aclosing`` closes it. Raises KeyRefused for a key that cannot travel in a header.
    """
    key = Secret(api_key)
    _check(spec, key)
    limit = spec.limits.concurrency or spec.profile.limits.concurrency or _DEFAULT_CONCURRENCY
    http = (connections or Connections()).to(
        EMBEDDED if spec.base_url.startswith("embedded:") else spec.base_url.rstrip("/"),
        key,
        timeout=spec.timeout,
        concurrency=limit,
        transport=transport,
    )
    downloads = Downloader(
        http=http, allow_private=spec.allow_private, bounds=spec.timeout, max_bytes=spec.profile.max_body
    )
    kind = ChatEndpoint if protocol == "chat" else ImagesEndpoint
    return kind(http=http, downloads=downloads, profile=spec.profile, stream=spec.stream)


def _check(spec: ProviderSpec, key: Secret) -> None:
    # The HTTP library would print such a key in its own error.
    if not all("!" <= letter <= "~" for letter in key.reveal()):
        raise KeyRefused(f"{spec.name}: the key holds characters that no key has (check the provider's api_key)")


def in_process(app: Callable[..., Awaitable[None]]) -> Transport:
    """A transport to an ASGI application in this process: no socket, no server."""
    return httpx.ASGITransport(app=app)


@dataclass(frozen=True, slots=True)
class BodyReader:
    """The reading half of an endpoint: for answers that arrived before this process began."""

    _read: Callable[..., Answer]
    _secrets: tuple[Secret, ...] = ()

    def read(self, head: Head, body: bytes) -> Answer:
        """The pictures of a whole *body*, in order. Pure. Raises ProviderError by the one table of `wire`."""
        return self._read(head, body, secrets=self._secrets)


def readers(secrets: Iterable[Secret] = ()) -> dict[str, BodyReader]:
    """How a body of each protocol is read; *secrets* are taken out of every text."""
    keys = tuple(secrets)
    return {"images": BodyReader(read_images, keys), "chat": BodyReader(read_chat, keys)}
