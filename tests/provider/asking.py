"""What an endpoint sends, as a scripted host saw it."""

import httpx

from pipeline.domain.capability import Profile
from pipeline.domain.request import ImageRequest
from pipeline.provider import endpoint_for
from tests.provider.hosts import KEY, PNG, Flight, Host, images_json, spec


def answering() -> Host:
    return Host(lambda _: httpx.Response(200, content=images_json(PNG)))


async def asked(given_request: ImageRequest, profile: Profile | None = None, *, stream: str = "auto") -> Host:
    host = answering()
    given_spec = spec(profile=profile or Profile(name="openai"), stream=stream)
    endpoint = endpoint_for(given_spec, given_request.protocol, KEY, host.transport)
    await endpoint.post(given_request, Flight())
    await endpoint.aclose()
    return host
