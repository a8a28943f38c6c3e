"""Everything that draws nothing: models, hosted results, the gateway's own memory."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.gateway.answers import json_response
from pipeline.gateway.errors import ApiError, Trouble
from pipeline.gateway.gateway import gateway_of
from pipeline.gateway.models import LISTED, describe
from pipeline.gateway.openapi import document
from pipeline.gateway.playground import playground

_EXPIRED = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>'
    "<Message>Signature not valid in the specified time frame</Message></Error>"
)
_MISSING = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>BlobNotFound</Code>'
    "<Message>The specified blob does not exist.</Message></Error>"
)


async def models(request: Request) -> Response:
    """``GET /models``: OpenAI's list with the extra keys of new-api."""
    gateway_of(request).check_key(request)
    return json_response({"success": True, "object": "list", "data": [describe(*listed) for listed in LISTED]})


async def model(request: Request) -> Response:
    """``GET /models/{id}``; ids may hold slashes."""
    gateway_of(request).check_key(request)
    name = request.path_params["name"]
    for listed, owner in LISTED:
        if listed == name:
            return json_response(describe(listed, owner))
    raise ApiError(
        Trouble(status=404, message=f"The model '{name}' does not exist", param="model", code="model_not_found")
    )


async def result(request: Request) -> Response:
    """``GET /_gateway/results/{name}``: a hosted picture; 403 when its time is over, 404 when it never was."""
    gateway = gateway_of(request)
    now = gateway.config.clock()
    found = gateway.hosted.find(request.path_params["name"], now)
    if found is None:
        return Response(_MISSING, 404, media_type="application/xml")
    if now >= found.until:
        return Response(_EXPIRED, 403, media_type="application/xml")
    return Response(found.picture.data, media_type=found.picture.media_type)


async def stats(request: Request) -> Response:
    """``GET /_gateway/stats``."""
    return json_response(gateway_of(request).stats.as_json())


async def reset(request: Request) -> Response:
    """``POST /_gateway/reset``: forgets requests, bills and how often faults struck.

    Raises ApiError (403) for a page of another origin, which may post here without asking the browser.
    """
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host", ""):
        raise ApiError(Trouble(status=403, message="Only pages of the gateway itself may reset it."))
    gateway = gateway_of(request)
    gateway.stats.reset()
    gateway.faults.reset()
    return json_response({"reset": True})


async def openapi(request: Request) -> Response:
    """``GET /openapi.json``."""
    return json_response(document(gateway_of(request).profile))


ROUTES = [
    Route("/", playground, methods=["GET"]),
    Route("/openapi.json", openapi, methods=["GET"]),
    Route("/models", models, methods=["GET"]),
    Route("/models/{name:path}", model, methods=["GET"]),
    Route("/_gateway/results/{name}", result, methods=["GET"]),
    Route("/_gateway/stats", stats, methods=["GET"]),
    Route("/_gateway/reset", reset, methods=["POST"]),
]
