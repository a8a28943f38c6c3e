"""Small honest hosts and flights for the provider's tests."""

import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import httpx
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from pipeline.domain.capability import Limits, Profile, Timeout
from pipeline.domain.digest import Json, digest_of
from pipeline.domain.request import Head, ImageRequest, Prepared, ReadyStep, Turn
from pipeline.domain.step import AssetName, Protocol, Role, Step, step_key
from pipeline.manifest.model import ProviderSpec, Retry

KEY = "sk-canary-0123456789abcdefghijklmnop"


def png(width: int = 3, height: int = 2, shade: int = 0) -> bytes:
    """A whole, tiny PNG."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\x00" + bytes([shade]) * width * 3 for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")


PNG = png()
PNG_2 = png(shade=9)
BIG = png(40, 40, 7)
"""Large enough for its base64 to be cut out of the JSON unread."""
B64 = base64.b64encode(PNG).decode()


def images_json(*pictures: bytes, **more: Json) -> bytes:
    """A genuine answer of the Images protocol."""
    data: list[Json] = [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]
    return json.dumps({"created": 1779000000, "data": data, **more}).encode()


class Flight:
    """A flight in memory that remembers what it was told, in order."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.heads: list[Head] = []
        self.body = b""
        self.largest = 0

    def sent(self) -> None:
        self.steps.append("sent")

    def head(self, head: Head) -> None:
        self.steps.append("head")
        self.heads.append(head)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self.steps[-1] != "body":
            self.steps.append("body")
        self.body += bytes(chunk)
        self.largest = max(self.largest, len(chunk))


def spec(base_url: str = "http://host.test/v1", **changes: object) -> ProviderSpec:
    """A provider as a manifest says it."""
    given: dict[str, object] = {
        "name": "paid",
        "preset": "openai",
        "profile": Profile(name="openai"),
        "base_url": base_url,
        "protocol": "images",
        "api_key": None,
        "timeout": Timeout(connect=2.0, total=5.0, idle=2.0),
        "stream": "auto",
        "limits": Limits(concurrency=4),
        "retry": Retry(),
        "on_unknown": "hold",
        "max_buys": 2,
        "space": "",
    }
    return ProviderSpec(**(given | changes))  # type: ignore[arg-type]


def request(
    prompt: str = "a cat",
    *,
    inputs: tuple[Prepared, ...] = (),
    history: tuple[Turn, ...] = (),
    count: int = 1,
    protocol: Protocol = "images",
    params: Mapping[str, Json] | None = None,
    **more: Json,
) -> ImageRequest:
    """A request for *count* candidates of one cell."""
    params = {**(params or {}), **more}
    steps = []
    for candidate in range(1, count + 1):
        step = Step(
            asset=AssetName(f"shot/red#{candidate}"),
            shot="shot",
            axes=(),
            step_id="",
            depth=0,
            candidate=candidate,
            remaining=0,
            provider="paid",
            model_alias="main",
            model="gpt-image-2",
            protocol=protocol,
            params=params,
            prompt=prompt,
            inputs=(),
            parent=None,
            path="shot/red",
        )
        steps.append(ReadyStep(step=step, key=step_key(step.parts()), parts=step.parts()))
    return ImageRequest(
        steps=tuple(steps),
        provider="paid",
        protocol=protocol,
        model="gpt-image-2",
        prompt=prompt,
        params=params,
        inputs=inputs,
        history=history,
    )


def prepared(folder: Path, data: bytes = PNG, *, name: str = "photo.png", role: Role = "image") -> Prepared:
    """An input on disk, ready to send."""
    path = folder / name
    path.write_bytes(data)
    kind = "image/jpeg" if name.endswith(".jpg") else "image/png"
    return Prepared(
        role=role,
        digest=digest_of(data),
        path=path,
        size=len(data),
        media_type=kind,
        filename=name,
        width=3,
        height=2,
    )


class Host:
    """A scripted host as a transport: answers with *answer* and remembers the requests it read."""

    def __init__(self, answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> None:
        self._answer = answer
        self.requests: list[httpx.Request] = []
        self.transport = httpx.MockTransport(self._handle)

    def _handle(self, asked: httpx.Request) -> httpx.Response:
        self.requests.append(asked)
        return self._answer if isinstance(self._answer, httpx.Response) else self._answer(asked)

    @property
    def said(self) -> dict[str, Json]:
        """The last request's JSON."""
        value = json.loads(self.requests[-1].content)
        assert isinstance(value, dict)
        return value


Script = Callable[[ByteStream], Awaitable[None]]


@asynccontextmanager
async def listening(script: Script) -> AsyncIterator[str]:
    """A raw server on loopback that plays *script* on every connection; gives its base URL."""

    async def play(stream: SocketStream) -> None:
        async with stream:
            with suppress(anyio.BrokenResourceError, anyio.EndOfStream, anyio.ClosedResourceError):
                await script(stream)  # a client that goes is what some tests are about

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, play)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/v1"
        tasks.cancel_scope.cancel()


async def read_request(stream: ByteStream) -> tuple[bytes, bytes]:
    """Head and body of one request with a Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += await stream.receive()
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += await stream.receive()
    return head, body


def http(status: str, body: bytes, *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
