"""The gateway as one ASGI application.

``make_app(GatewayConfig(...))`` gives a Starlette application that needs no lifespan, no socket and no thread of
its own: put it behind ``httpx.ASGITransport`` or `serve` it. Every answer carries ``x-pipeline-sketch: 1``.
"""

import uuid

import anyio
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.gateway import admin, chat, images
from pipeline.gateway.answers import error_response
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.errors import ApiError, Trouble
from pipeline.gateway.gateway import ENTRY, Gateway

_UNBUILT = ("/images/variations", "/files", "/fine-tunes", "/batches")
_ORIGINS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "*",
    "access-control-expose-headers": "*",
    "access-control-max-age": "600",
}


def make_app(config: GatewayConfig) -> Starlette:
    """The application for one configuration, with a memory of its own."""
    app = Starlette(
        routes=[
            Route("/images/generations", images.generations, methods=["POST"]),
            Route("/images/edits", images.edits, methods=["POST"]),
            Route("/edits", images.edits, methods=["POST"]),
            Route("/chat/completions", chat.completions, methods=["POST"]),
            *admin.ROUTES,
        ],
        middleware=[Middleware(_Desk)],
        exception_handlers={ApiError: _on_api_error, HTTPException: _on_http_error},
    )
    app.state.gateway = Gateway(config)
    # A redirect would turn a POST into a GET in some clients; paths are made plain by the desk instead.
    app.router.redirect_slashes = False
    return app


async def _on_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(request, error.trouble)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """Wrong paths and methods, in the maker's shape."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404 and path.startswith(_UNBUILT):
        trouble = Trouble(status=501, message="API not implemented", code="api_not_implemented")
    elif error.status_code == 405:
        message = f"Not allowed to {request.method} on {path}."
        trouble = Trouble(status=405, message=message, code="method_not_supported", headers=dict(error.headers or {}))
    else:
        message = f"Invalid URL ({request.method} {path})"
        trouble = Trouble(status=error.status_code, message=message, code="unknown_url")
    return error_response(request, trouble)


def plain_path(path: str) -> str:
    """One path for all the ways people write it: ``//``, a trailing slash, with and without ``/v1``."""
    parts = [part for part in path.split("/") if part]
    while parts and parts[0] == "v1":
        parts.pop(0)
    return "/" + "/".join(parts)


class _Desk:
    """Where every request comes in: makes its path plain, counts POSTs, and signs every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gateway: Gateway = scope["app"].state.gateway
        path = plain_path(scope["path"])
        visit = _Visit(gateway, scope, send)
        inner = {
            **scope,
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "pipeline.request_id": visit.request_id,
        }
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=_ORIGINS)(inner, receive, visit.send)
        elif scope["method"] == "POST" and not path.startswith("/_gateway/"):
            with gateway.stats.flight(path, visit.request_id) as entry:
                inner[ENTRY] = entry
                try:
                    await self._app(inner, receive, visit.send)
                finally:
                    entry.status, entry.seconds = visit.status, visit.elapsed()
        else:
            await self._app(inner, receive, visit.send)


class _Visit:
    """One request on its way through: signs the head of its answer and remembers the status."""

    def __init__(self, gateway: Gateway, scope: Scope, send: Send) -> None:
        self.request_id = f"req_{uuid.uuid4().hex}"
        self.status = 0
        self._gateway = gateway
        self._began = anyio.current_time()
        self._send = send
        self._open = not scope["path"].startswith("/_gateway/")

    def elapsed(self) -> float:
        """Seconds since the request came."""
        return anyio.current_time() - self._began

    async def send(self, message: Message) -> None:
        """Passes a message on; the head with the headers every answer of ours has."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            headers["x-pipeline-sketch"] = "1"
            headers["x-request-id"] = self.request_id
            headers["openai-processing-ms"] = str(round(self.elapsed() * 1000))
            if self._gateway.profile.relay_errors:
                headers["x-oneapi-request-id"] = self.request_id
            if self._open:
                headers["access-control-allow-origin"] = "*"
                headers["access-control-expose-headers"] = "*"
            message = {**message, "headers": headers.raw}
        await self._send(message)
