"""Small honest programs that stand in for the world: hosts that sell pictures, an endpoint that follows a script."""

import base64
import json
import struct
import threading
import time
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from anyio.lowlevel import checkpoint

from pipeline.domain.digest import Json
from pipeline.domain.errors import OutcomeUnknown
from pipeline.domain.request import Answer, Head, ImageRequest
from pipeline.ports import Flight
from pipeline.provider import readers

WHOLE = Head(status=200, headers={"content-type": "application/json", "x-request-id": "req_1"}, seconds=1.0)


def png(text: str = "", *, width: int = 3, height: int = 2, alpha: bool = False) -> bytes:
    """A whole, tiny PNG whose pixels follow from a text; with *alpha* half of them are clear."""
    shade = sha256(text.encode()).digest()[:3]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    clear = shade + (b"\x00" if alpha else b"")
    solid = shade + (b"\xff" if alpha else b"")
    row = b"\x00" + clear * (width // 2) + solid * (width - width // 2)
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * height, 0))
        + chunk(b"IEND", b"")
    )


def b64(data: bytes) -> str:
    """As answers carry pictures."""
    return base64.b64encode(data).decode()


def answer_of(*pictures: bytes | str, **more: Json) -> bytes:
    """A genuine answer of the Images protocol: bytes travel inside, a text is a url."""
    data: list[Json] = [{"b64_json": b64(each)} if isinstance(each, bytes) else {"url": each} for each in pictures]
    return json.dumps({"created": 1779000000, "data": data, **more}).encode()


@dataclass(slots=True, kw_only=True)
class Script:
    """One POST as it goes: what comes, in order, and how it ends. error: raised after everything else.

    sends: whether the first byte leaves at all. cut: the line breaks after the body. places: what lies behind urls.
    meanwhile: called when the request has left, before anything comes. moment: awaited wherever a line may make wait.
    """

    body: bytes = b""
    head: Head | None = WHOLE
    sends: bool = True
    cut: bool = False
    error: Exception | None = None
    places: Mapping[str, bytes] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    moment: Callable[[], Awaitable[None]] = checkpoint


class ScriptedEndpoint:
    """A `ports.Endpoint` that follows a script and reads with the real reader."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[ImageRequest] = []
        self.fetched: list[str] = []
        self.delivered = False

    async def post(self, request: ImageRequest, flight: Flight) -> Head:
        self.asked.append(request)
        script = self.script
        await script.moment()
        if script.sends:
            flight.sent()
        script.meanwhile()
        await script.moment()
        if script.head is not None:
            flight.head(script.head)
        for start in range(0, len(script.body), 64):
            await script.moment()
            flight.write(script.body[start : start + 64])
        if script.cut:
            raise OutcomeUnknown("the line was cut")
        if script.error is not None:
            raise script.error
        assert script.head is not None
        self.delivered = True
        return script.head

    def read(self, head: Head, body: bytes) -> Answer:
        return readers()["images"].read(head, body)

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        await self.script.moment()
        if url not in self.script.places:
            raise OutcomeUnknown(f"{url}: HTTP 403")
        return self.script.places[url]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One POST as a host got it. images: the pictures that came along, in order."""

    path: str
    headers: Mapping[str, str]
    fields: Mapping[str, Any]
    images: tuple[bytes, ...] = ()

    @property
    def prompt(self) -> str:
        return str(self.fields.get("prompt", ""))

    @property
    def count(self) -> int:
        return int(self.fields.get("n", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a host answers. body: cut to *keep* bytes where that is given, and the line is closed."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: int | None = None
    seconds: float = 0.0


Respond = Callable[[Order], Reply]


class Gate:
    """Answers that wait until they are let through; whoever leaves the block lets them through."""

    def __init__(self, respond: Respond | None = None) -> None:
        self._respond = respond or sells
        self._open = threading.Event()

    def __call__(self, order: Order) -> Reply:
        self._open.wait(30)
        return self._respond(order)

    def open(self) -> None:
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.open()


def sells(order: Order, **usage: int) -> Reply:
    """As many pictures as were asked for, different by prompt, number and what came along."""
    mark = order.prompt + "".join(sha256(image).hexdigest() for image in order.images)
    more: dict[str, Json] = {"usage": dict(usage)} if usage else {}
    return Reply(body=answer_of(*(png(f"{mark} {number}") for number in range(order.count)), **more))


def error_reply(status: int, code: str, message: str = "no", kind: str = "invalid_request_error") -> Reply:
    """An error as the maker words it."""
    told = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Reply(status=status, body=json.dumps(told).encode())


class PaidHost:
    """A host on loopback that is no gateway of ours: what it sells is paid for. Remembers every order.

    It counts a picture as billed when its order has come, as the maker does, unless it answers with an error.
    places: what a GET finds, by path; missing: the status of what it does not find (404 may pass, 410 does not).
    fetched: path and Authorization of every GET.
    """

    def __init__(self, respond: Respond = sells) -> None:
        self.respond = respond
        self.orders: list[Order] = []
        self.billed = 0
        self.in_flight = 0
        self.highest = 0
        self.places: dict[str, bytes] = {}
        self.fetched: list[tuple[str, str]] = []
        self.missing = 410
        self._lock = threading.Lock()

    @property
    def prompts(self) -> list[str]:
        return [order.prompt for order in self.orders]

    def take(self, order: Order) -> Reply:
        with self._lock:
            self.orders.append(order)
            self.in_flight += 1
            self.highest = max(self.highest, self.in_flight)
        reply = self.respond(order)
        with self._lock:
            self.billed += order.count if reply.status == 200 else 0
        time.sleep(reply.seconds)
        return reply

    def gave(self) -> None:
        with self._lock:
            self.in_flight -= 1

    @contextmanager
    def open(self) -> Iterator[str]:
        """Serves while the block lasts; gives the base URL."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _handler(host: PaidHost) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            fields, images = _read(headers.get("content-type", ""), body)
            reply = host.take(Order(path=self.path, headers=headers, fields=fields, images=images))
            try:
                self._send(reply)
            finally:
                host.gave()

        def do_GET(self) -> None:
            host.fetched.append((self.path, self.headers.get("Authorization", "")))
            data = host.places.get(self.path)
            self._send(Reply(status=200 if data else host.missing, body=data or b"gone"))

        def _send(self, reply: Reply) -> None:
            try:
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(reply.body)))
                self.send_header("x-request-id", f"req_{len(host.orders)}")
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body if reply.keep is None else reply.body[: reply.keep])
            except OSError:
                self.close_connection = True  # a client that was killed is what some tests are about
            if reply.keep is not None:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    return Handler


def _read(kind: str, body: bytes) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    if not kind.startswith("multipart/"):
        return json.loads(body), ()
    message = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
    fields: dict[str, Any] = {}
    images: list[bytes] = []
    for part in message.iter_parts():
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        name = part.get_param("name", header="content-disposition")
        if part.get_filename():
            images.append(data)
        else:
            fields[str(name)] = data.decode()
    return fields, tuple(images)
