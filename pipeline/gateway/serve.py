"""The gateway on a port, until a signal or its scope ends."""

import json
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Protocol

import anyio
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.domain.errors import UserError
from pipeline.gateway.app import make_app
from pipeline.gateway.carriage import CONNECTION
from pipeline.gateway.config import GatewayConfig

_GRACE = 1
"""Seconds open requests get after the signal."""


class _Transport(Protocol):
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def get_extra_info(self, name: str) -> object: ...


class _Socket:
    """The connection of one client, as faults see it."""

    def __init__(self, transport: _Transport) -> None:
        self._transport = transport

    def close(self) -> None:
        """Sends what is buffered, then ends the connection."""
        self._transport.close()

    def reset(self) -> None:
        """Ends the connection with a reset: what is buffered is lost."""
        connection = self._transport.get_extra_info("socket")
        if connection is not None and hasattr(connection, "setsockopt"):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with the connection in each request's scope so that faults can really cut it."""

    def connection_made(self, transport: _Transport) -> None:  # type: ignore[override]  # the same, seen narrower
        app, connection = self.app, _Socket(transport)

        async def with_connection(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, CONNECTION: connection}, receive, send)

        self.app = with_connection
        super().connection_made(transport)  # type: ignore[arg-type]  # the same, seen narrower


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: who starts it decides when it stops."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says when it listens."""
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises UserError when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because the event loop turns Nagle's delay off for connections that say they are TCP,
    # and only for those: without it every answer on a kept connection takes 40 ms longer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise UserError(f"{host}:{port}: the gateway cannot listen there: {reason} (choose another --port)") from error
    return listener


def base_url_of(listener: socket.socket) -> str:
    """What clients call it: ``http://127.0.0.1:PORT/v1``."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


@asynccontextmanager
async def serving(config: GatewayConfig, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """A running gateway; gives its base URL. Needs anyio's asyncio backend. Raises UserError."""
    server = _make_server(make_app(config))
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(bind(host, port))
        tasks = await stack.enter_async_context(anyio.create_task_group())
        tasks.start_soon(_run, server, listener)
        await server.ready.wait()
        try:
            yield base_url_of(listener)
        finally:
            server.should_exit = True


def _make_server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_GRACE,
        )
    )


async def _run(server: _Server, listener: socket.socket) -> None:
    await server.serve(sockets=[listener])


def announce(base_url: str) -> None:
    """One line of JSON on standard output."""
    sys.stdout.write(json.dumps({"base_url": base_url}) + "\n")
    sys.stdout.flush()


def serve(
    config: GatewayConfig,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[str], None] = announce,
) -> int:
    """Serves until SIGINT or SIGTERM and gives the signal's number. Blocks. *ready* is told the base URL.

    Open requests get a second after the signal. Raises UserError when the address cannot be had.
    """
    return anyio.run(_serve, config, host, port, ready)


async def _serve(config: GatewayConfig, host: str, port: int, ready: Callable[[str], None]) -> int:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with serving(config, host=host, port=port) as base_url:
            ready(base_url)
            async for received in signals:
                return int(received)
    return 0
