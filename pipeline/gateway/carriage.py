"""How an answer travels: whole, or cut, reset, dripped and padded on purpose.

On a socket (`serve` puts the connection into the scope) the connection is really cut. In this process there is
none: a reset raises ConnectionResetError through the transport, a cut body simply ends too early.
"""

from typing import Literal, Protocol, TypeAlias

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Carriage: TypeAlias = Literal["whole", "drop", "cut", "reset", "stall", "stall_body", "drip", "pad"]

CONNECTION = "pipeline.connection"
"""Where `serve` puts the connection of a request in its ASGI scope."""

_PIECES = 40
_GAP = 0.05
_PADS = 5


class Connection(Protocol):
    """The socket below a request."""

    def close(self) -> None:
        """Sends what is buffered and ends the connection."""
        ...

    def reset(self) -> None:
        """Ends the connection at once with a reset."""
        ...


class Carried(Response):
    """A whole answer that does not arrive as one. share: how much of it comes before a cut, a reset or a stall."""

    def __init__(self, answer: Response, carriage: Carriage, share: float = 0.5) -> None:
        super().__init__(bytes(answer.body), answer.status_code)
        self.raw_headers = list(answer.raw_headers)
        self._carriage = carriage
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer the way it was told to."""
        body = bytes(self.body)
        match self._carriage:
            case "whole":
                await super().__call__(scope, receive, send)
            case "drop":
                await _reset(scope, receive)
            case "stall":
                await _gone(receive)
            case "drip":
                await self._drip(send, body)
            case "pad":
                await self._pad(send, body)
            case "cut" | "reset" | "stall_body":
                await self._half(scope, receive, send, body[: int(len(body) * self._share)])

    async def _begin(self, send: Send, *, length: bool = True) -> None:
        headers = self.raw_headers if length else [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})

    @staticmethod
    async def _piece(send: Send, data: bytes, *, more: bool) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": more})

    async def _half(self, scope: Scope, receive: Receive, send: Send, half: bytes) -> None:
        connection: Connection | None = scope.get(CONNECTION)
        await self._begin(send)
        if self._carriage == "cut" and connection is None:
            await self._piece(send, half, more=False)
            return
        await self._piece(send, half, more=True)
        if self._carriage == "reset":
            await anyio.sleep(_GAP / 2)  # lets the half reach the other side first
            await _reset(scope, receive)
        elif self._carriage == "cut" and connection is not None:
            connection.close()
        await _gone(receive)

    async def _drip(self, send: Send, body: bytes) -> None:
        await self._begin(send)
        step = max(1, -(-len(body) // _PIECES))
        for start in range(0, len(body), step):
            await self._piece(send, body[start : start + step], more=True)
            await anyio.sleep(_GAP)
        await self._piece(send, b"", more=False)

    async def _pad(self, send: Send, body: bytes) -> None:
        await self._begin(send, length=False)
        for _ in range(_PADS):
            await self._piece(send, b" \r\n", more=True)
            await anyio.sleep(_GAP)
        await self._piece(send, body, more=False)


async def _reset(scope: Scope, receive: Receive) -> None:
    connection: Connection | None = scope.get(CONNECTION)
    if connection is None:
        raise ConnectionResetError("the gateway cut the connection on purpose")
    connection.reset()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Waits until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
