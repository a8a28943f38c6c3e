"""Pictures as server-sent events: partial ones while they come, one completed event for each."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pipeline.domain.digest import Json
from pipeline.gateway.answers import as_base64, resolved, tokens_of
from pipeline.gateway.delivery import Accepted, pictures_of, seconds_of
from pipeline.gateway.gateway import Gateway
from pipeline.gateway.order import Order
from pipeline.gateway.sketch import Drawn, draw

PING = b": PING\n\n"
DONE = b"data: [DONE]\n\n"


class EventStream(Response):
    """Server-sent events, each sent when it is there. The head goes out with the first one."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(b"", headers={"cache-control": "no-cache", **(headers or {})})
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends all events. A client that left is not waited for: sending to it does nothing."""
        started = False
        async for event in self._events:
            if not started:
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                started = True
            await send({"type": "http.response.body", "body": event, "more_body": True})
        if not started:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event(value: Mapping[str, Json]) -> bytes:
    """One event of the images routes: its name is its ``type``."""
    return f"event: {value['type']}\n{data(value).decode()}".encode()


def data(value: Mapping[str, Json]) -> bytes:
    """One event without a name, as chats send them."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def gap_of(gateway: Gateway, accepted: Accepted) -> float:
    """Seconds of silence before each event of a stream."""
    return seconds_of(gateway, accepted) / (accepted.order.partials + 1)


def outlasts_proxy(gateway: Gateway, accepted: Accepted) -> bool:
    """Whether a proxy in front would lose its patience between two signs of life of the stream."""
    cut, ping = gateway.config.proxy_cut, gateway.config.ping
    silence = gap_of(gateway, accepted)
    return cut is not None and min(silence, silence if ping is None else ping) > cut


async def image_events(gateway: Gateway, accepted: Accepted) -> AsyncIterator[bytes]:
    """The events of an order: partials of all pictures, then the completed ones."""
    order, strike = accepted.order, accepted.strike
    gap = gap_of(gateway, accepted)
    for index in range(order.partials):
        async for ping in _silence(gateway, gap):
            yield ping
        for number in range(order.n):
            stage = (index + 1) / (order.partials + 1)
            partial = await gateway.work(draw, order, number, gateway.config.seed, stage)
            yield event({**_said(gateway, order, "partial_image", partial), "partial_image_index": index})
    async for ping in _silence(gateway, gap):
        yield ping
    match strike.misfortune.stream if strike is not None else "":
        case "error":
            yield error_event(strike.misfortune.trouble.message if strike and strike.misfortune.trouble else "error")
        case "cut":
            return
        case _:
            async for last in _ending(gateway, accepted):
                yield last


async def _ending(gateway: Gateway, accepted: Accepted) -> AsyncIterator[bytes]:
    async for completed in _completed(gateway, accepted):
        yield completed
    if gateway.profile.done:
        yield DONE


async def _silence(gateway: Gateway, seconds: float) -> AsyncIterator[bytes]:
    """Waits, with a sign of life now and then where the configuration asks for it."""
    ping = gateway.config.ping
    if ping is not None:
        while seconds > ping:
            await anyio.sleep(ping)
            seconds -= ping
            yield PING
    if seconds > 0:
        await anyio.sleep(seconds)


async def _completed(gateway: Gateway, accepted: Accepted) -> AsyncIterator[bytes]:
    order, strike = accepted.order, accepted.strike
    one = tokens_of(replace(order, n=1)).as_usage()
    for picture in await pictures_of(gateway, order):
        said = _said(gateway, order, "completed", picture)
        answer: Json = {"data": [{"b64_json": said["b64_json"]}]}
        if strike is not None and strike.misfortune.spoil is not None:
            answer = strike.misfortune.spoil({"data": [{"b64_json": said["b64_json"]}]})
        for fields in _items(answer):
            if "error" in fields:
                yield error_event("The server is overloaded.")
                return
            usage: dict[str, Json] = {"usage": one} if gateway.profile.usage else {}
            yield event({**said, **fields, **usage})


def _items(answer: Json) -> Sequence[Mapping[str, Json]]:
    if not isinstance(answer, dict):
        return ()
    if "error" in answer:
        return (answer,)
    items = answer.get("data")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else ()


def error_event(message: str) -> bytes:
    """The event that ends a stream that failed."""
    error: dict[str, Json] = {"message": message, "type": "server_error", "param": None, "code": "server_error"}
    return event({"type": "error", "error": error})


def _said(gateway: Gateway, order: Order, what: str, picture: Drawn) -> dict[str, Json]:
    family = "image_edit" if order.route == "edits" else "image_generation"
    return {
        "type": f"{family}.{what}",
        "b64_json": as_base64(picture),
        "created_at": int(gateway.config.clock()),
        **resolved(order),
    }
