"""One gateway's parts, shared by its routes."""

import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.errors import ApiError, Trouble
from pipeline.gateway.faults import FaultBook
from pipeline.gateway.hosted import Hosted
from pipeline.gateway.limits import Limits
from pipeline.gateway.profiles import PROFILES
from pipeline.gateway.stats import Entry, Stats

P = ParamSpec("P")
T = TypeVar("T")

ENTRY = "pipeline.entry"
"""Where the log entry of a request is in its ASGI scope."""


class Gateway:
    """Configuration, memory and limits of one gateway. Belongs to one event loop."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.profile = PROFILES[config.profile]
        self.stats = Stats()
        self.limits = Limits(config.rpm, config.ipm)
        self.hosted = Hosted(config.url_lifetime)
        self.faults = FaultBook(config.faults, config.seed)
        self._desks = anyio.CapacityLimiter(max(2, os.cpu_count() or 2))

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs something that blocks: in a worker thread, or here when the configuration says so."""
        if self.config.inline:
            return function(*args, **kwargs)
        return await anyio.to_thread.run_sync(lambda: function(*args, **kwargs), limiter=self._desks)

    def check_key(self, request: Request) -> str:
        """The caller's key. Raises ApiError (401) when a list is set and it is not on it."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip() if scheme.lower() == "bearer" else ""
        if self.config.keys and key not in self.config.keys:
            raise ApiError(_stranger(relayed=self.profile.relay_errors, given=bool(key)))
        return key


def _stranger(*, relayed: bool, given: bool) -> Trouble:
    """What a wrong key is told, without repeating it."""
    if relayed:
        return Trouble(status=401, message="Invalid token", type="new_api_error", code="")
    if not given:
        return Trouble(status=401, message="You didn't provide an API key in an Authorization header.")
    return Trouble(
        status=401,
        message="Incorrect API key provided. You can find your API key at the account page of your provider.",
        code="invalid_api_key",
    )


def gateway_of(request: Request) -> Gateway:
    """The gateway a request came to."""
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


def entry_of(request: Request) -> Entry:
    """The log entry of a POST."""
    entry = request.scope[ENTRY]
    assert isinstance(entry, Entry)
    return entry
