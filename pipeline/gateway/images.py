"""The images routes: a body in, pictures out."""

from collections.abc import Sequence
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from pipeline.domain.digest import Json
from pipeline.gateway.answers import image_answer, json_response
from pipeline.gateway.carriage import Carried
from pipeline.gateway.chat import answer_chat
from pipeline.gateway.delivery import Accepted, accept, deliver, early_answer, page_response
from pipeline.gateway.errors import ApiError, Trouble
from pipeline.gateway.gateway import Gateway, gateway_of
from pipeline.gateway.misfortune import proxy_page
from pipeline.gateway.order import Order, make_order
from pipeline.gateway.reading import Fields, fields_of, read_body
from pipeline.gateway.sketch import Drawn
from pipeline.gateway.stream import EventStream, image_events, outlasts_proxy

Route = Literal["generations", "edits"]


async def generations(request: Request) -> Response:
    """``POST /images/generations``; a chat body here is answered as a chat (some chat clients send one)."""
    return await _answer(request, "generations")


async def edits(request: Request) -> Response:
    """``POST /images/edits``, multipart or JSON."""
    if not gateway_of(request).profile.edits:
        raise ApiError(
            Trouble(status=501, message="API not implemented", type="new_api_error", code="api_not_implemented")
        )
    return await _answer(request, "edits")


async def _answer(request: Request, route: Route) -> Response:
    gateway = gateway_of(request)
    key = gateway.check_key(request)
    body = await read_body(request, gateway.config.body_limit)
    fields = fields_of(body, request.headers.get("content-type", ""))
    if "messages" in fields.values and not fields.values.get("prompt"):
        return await answer_chat(request, key, fields.values)
    order = await _order(gateway, request, fields, route)
    accepted = accept(gateway, request, key, order)
    if order.stream and not (accepted.strike and accepted.strike.misfortune.stream == "json"):
        return await _streamed(gateway, request, accepted)
    return await deliver(gateway, request, accepted, lambda pictures: _finished(gateway, request, accepted, pictures))


async def _order(gateway: Gateway, request: Request, fields: Fields, route: Route) -> Order:
    """The order a body means; pictures are decoded off the event loop."""
    said = request.headers.get("x-pipeline-candidate", "")
    first = max(1, int(said)) if said.isdecimal() and len(said) < 6 else 1
    if route == "edits":
        return await gateway.work(make_order, fields, gateway.profile, route, first)
    return make_order(fields, gateway.profile, route, first)


def _finished(gateway: Gateway, request: Request, accepted: Accepted, pictures: Sequence[Drawn]) -> Response:
    answer: Json = image_answer(gateway, request, accepted.order, pictures)
    if accepted.strike is not None and accepted.strike.misfortune.spoil is not None and isinstance(answer, dict):
        answer = accepted.strike.misfortune.spoil(answer)
    return json_response(answer)


async def _streamed(gateway: Gateway, request: Request, accepted: Accepted) -> Response:
    strike = accepted.strike
    early = early_answer(gateway, request, strike)
    if early is not None:
        return early
    if outlasts_proxy(gateway, accepted):
        return await deliver(gateway, request, accepted, lambda _: page_response(proxy_page(524, "A timeout occurred")))
    misfortune = strike.misfortune if strike is not None else None
    if misfortune is not None and (misfortune.page is not None or (misfortune.trouble and not misfortune.stream)):
        return await deliver(gateway, request, accepted, lambda _: Response(b""))
    events = image_events(gateway, accepted)
    if misfortune is None or misfortune.carriage == "whole":
        return EventStream(events, accepted.headers)
    body = b"".join([event async for event in events])
    whole = Response(body, media_type="text/event-stream", headers=dict(accepted.headers))
    return Carried(whole, misfortune.carriage, share=1.0 if misfortune.stream == "cut" else 0.5)
