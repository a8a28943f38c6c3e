"""One POST against a scripted server, answered or failed."""

from pathlib import Path

import pytest
from anyio.abc import ByteStream

from pipeline.domain.capability import Timeout
from pipeline.domain.errors import (
    ProviderError,
)
from pipeline.domain.request import Head
from pipeline.provider import Connections, endpoint_for
from tests.provider.hosts import (
    KEY,
    PNG,
    Flight,
    Script,
    listening,
    prepared,
    read_request,
    request,
    spec,
)

SHORT = Timeout(connect=0.5, total=0.6, idle=0.25)
PATIENT = Timeout(connect=2.0, total=5.0, idle=5.0)


async def posted(script: Script, folder: Path | None = None, **changes: object) -> tuple[Head, Flight]:
    """One POST that is answered (an edit with a folder) against a raw server."""
    flight = Flight()
    inputs = (prepared(folder, PNG + b"\0" * 3_000_000),) if folder else ()
    async with listening(script) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, **changes), "images", KEY, connections=connections)
        return await endpoint.post(request(inputs=inputs), flight), flight


async def failure(script: Script, folder: Path | None = None, **changes: object) -> ProviderError:
    inputs = (prepared(folder, PNG + b"\0" * 3_000_000),) if folder else ()
    async with listening(script) as base_url, Connections() as connections:
        endpoint = endpoint_for(spec(base_url, **changes), "images", KEY, connections=connections)
        with pytest.raises(ProviderError) as caught:
            await endpoint.post(request(inputs=inputs), Flight())
    assert KEY not in str(caught.value)
    return caught.value


async def closes_after_the_request(stream: ByteStream) -> None:
    await read_request(stream)
