"""Answers of the images routes and errors, in the shape of each dialect."""

import json
from collections.abc import Mapping, Sequence

import pybase64
from starlette.requests import Request
from starlette.responses import Response

from pipeline.domain.digest import Json
from pipeline.gateway.errors import Trouble
from pipeline.gateway.gateway import Gateway, gateway_of
from pipeline.gateway.models import Tokens, input_image_tokens, output_tokens, partial_tokens, text_tokens
from pipeline.gateway.order import Order
from pipeline.gateway.sketch import Drawn


def json_response(value: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Compact UTF-8 JSON with its length."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status, media_type="application/json", headers=headers)


def error_response(request: Request, trouble: Trouble) -> Response:
    """An error in the maker's shape, or as new-api writes it (with the request id in the message)."""
    gateway = gateway_of(request)
    error: dict[str, Json] = {
        "message": trouble.message,
        "type": trouble.type,
        "param": trouble.param,
        "code": trouble.code,
    }
    if gateway.profile.relay_errors:
        request_id = request.scope.get("pipeline.request_id", "")
        error["message"] = f"{trouble.message} (request id: {request_id})"
        error["param"] = trouble.param or ""
        error["code"] = trouble.code or ""
    return json_response({"error": {**error, **trouble.details}}, trouble.status, trouble.headers)


def tokens_of(order: Order) -> Tokens:
    """The tokens of an order by the published formula, partial pictures counted."""
    one = output_tokens(order.model, order.quality, order.width, order.height)
    return Tokens(
        text_in=text_tokens(order.prompt),
        image_in=sum(input_image_tokens(*picture.size) for picture in order.inputs),
        image_out=order.n * (one + partial_tokens(order.partials if order.stream else 0)),
    )


def as_base64(picture: Drawn) -> str:
    """Bare standard base64."""
    return pybase64.b64encode_as_string(picture.data)


def as_data_url(picture: Drawn) -> str:
    """A ``data:`` URL."""
    return f"data:{picture.media_type};base64,{as_base64(picture)}"


def hosted_url(gateway: Gateway, request: Request, picture: Drawn) -> str:
    """Keeps a picture for fetching and gives its URL, on the origin the request came to."""
    name = gateway.hosted.keep(picture, gateway.config.clock())
    return f"{request.url.scheme}://{request.url.netloc}/_gateway/results/{name}"


def image_answer(gateway: Gateway, request: Request, order: Order, pictures: Sequence[Drawn]) -> dict[str, Json]:
    """The JSON of a finished images request."""
    profile = gateway.profile
    answer: dict[str, Json] = {"created": int(gateway.config.clock())}
    if profile.resolved:
        answer |= resolved(order)
    answer["data"] = [_item(gateway, request, order, picture) for picture in pictures]
    if profile.usage:
        answer["usage"] = tokens_of(order).as_usage()
    if profile.strict and order.identifier:
        answer["safety_identifier"] = order.identifier
    return answer


def resolved(order: Order) -> dict[str, Json]:
    """What was really used, never ``auto``."""
    return {
        "background": order.background,
        "output_format": order.output_format,
        "quality": order.quality,
        "size": order.size,
    }


def _item(gateway: Gateway, request: Request, order: Order, picture: Drawn) -> dict[str, Json]:
    item: dict[str, Json] = {"url": "", "b64_json": "", "revised_prompt": ""} if gateway.profile.blanks else {}
    if order.wanted == "url":
        item["url"] = hosted_url(gateway, request, picture)
    else:
        item["b64_json"] = as_base64(picture)
    if gateway.profile.revised_prompt:
        item["revised_prompt"] = f"A sketch of: {order.prompt}"
    return item
