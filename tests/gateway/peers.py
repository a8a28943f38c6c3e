"""Small honest helpers: a client of the gateway in this process, one on a port, and pictures to send."""

import base64
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from anyio.from_thread import start_blocking_portal
from PIL import Image

from pipeline.gateway.app import make_app
from pipeline.gateway.config import GatewayConfig
from pipeline.gateway.faults import Fault
from pipeline.gateway.serve import serving

ASK: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a mug", "size": "64x64"}


def client_of(config: GatewayConfig | None = None) -> httpx.AsyncClient:
    """A client of a gateway in this process."""
    transport = httpx.ASGITransport(make_app(config or GatewayConfig(profile="lenient")))
    return httpx.AsyncClient(transport=transport, base_url="http://sketch/v1")


def lenient(*faults: Fault, **rest: Any) -> GatewayConfig:
    return GatewayConfig(profile="lenient", faults=faults, **rest)


@contextmanager
def served(config: GatewayConfig) -> Iterator[str]:
    """A gateway on a loopback port, in a thread; gives its base URL."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(config)) as base_url:
        yield base_url


def png(width: int = 64, height: int = 64, colour: tuple[int, ...] = (200, 40, 40)) -> bytes:
    mode = "RGBA" if len(colour) == 4 else "RGB"
    return encoded(Image.new(mode, (width, height), colour))


def encoded(image: Image.Image, name: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, name)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def picture(answer: httpx.Response, number: int = 0) -> Image.Image:
    assert answer.status_code == 200, answer.text[:300]
    return opened(base64.b64decode(answer.json()["data"][number]["b64_json"]))


def events(text: str) -> list[dict[str, Any]]:
    """The JSON of every event of a stream."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
