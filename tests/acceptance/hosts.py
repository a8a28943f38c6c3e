"""A shop on loopback that sells pictures as the worst hosts do: what a prompt's first word says decides the answer."""

import base64
import json
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def picture(text: str, *, width: int = 64, height: int = 64, alpha: bool = False) -> bytes:
    """A whole PNG whose colour follows from a text; with *alpha* its left half is clear."""
    shade = sha256(text.encode()).digest()[:3]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    clear, solid = (b"\x00", b"\xff") if alpha else (b"", b"")
    row = (shade + clear) * (width // 2) + (shade + solid) * (width - width // 2)
    header = struct.pack(">IIBBBBB", width, height, 8, 6 if alpha else 2, 0, 0, 0)
    pixels = zlib.compress((b"\x00" + row) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as it came. fields: the JSON body, or the plain fields of a form. files: field names and bytes."""

    method: str
    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    files: tuple[tuple[str, str, str, bytes], ...] = ()

    @property
    def prompt(self) -> str:
        """The prompt, on whichever protocol; of a conversation its last text."""
        if "messages" in self.fields:
            return str(self.fields["messages"][-1]["content"])
        return str(self.fields.get("prompt", ""))

    @property
    def word(self) -> str:
        """What chooses the answer: the first `!word` of the prompt."""
        found = re.search(r"!([a-z0-9-]+)", self.prompt)
        return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is sent back. raw: instead of a genuine answer, these bytes, and the line is cut after them."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


Behaviour = Callable[["Shop", Asked], Reply]


def sells(*pictures: bytes | str, **more: Any) -> Reply:
    """The genuine answer: bytes travel inside, a text is a url."""
    data = [{"url": it} if isinstance(it, str) else {"b64_json": base64.b64encode(it).decode()} for it in pictures]
    return Reply(body=json.dumps({"created": 1, "data": data, **more}).encode())


def fault(status: int, **error: Any) -> Reply:
    """An error in the maker's form."""
    return Reply(status=status, body=json.dumps({"error": error}).encode())


@dataclass(slots=True)
class Shop:
    """A running shop: what it was asked, and what its words mean."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    words: dict[str, Behaviour] = field(default_factory=dict)
    pages: dict[str, Callable[[Asked], Reply]] = field(default_factory=dict)

    @property
    def posts(self) -> list[Asked]:
        """The requests that may cost money."""
        return [each for each in self.asked if each.method == "POST"]

    def times(self, word: str) -> int:
        """How often a word was asked for."""
        return sum(each.word == word for each in self.posts)

    def answer(self, asked: Asked) -> Reply:
        """What one request gets."""
        if asked.method == "GET":
            page = self.pages.get(asked.path)
            if page is not None:
                return page(asked)
            return Reply(body=b'{"object":"list","data":[]}') if asked.path == "/v1/models" else Reply(status=404)
        behaviour = self.words.get(asked.word)
        if behaviour is not None:
            return behaviour(self, asked)
        if "messages" in asked.fields:
            return says(picture(asked.prompt))
        return sells(picture(asked.prompt))


def says(data: bytes) -> Reply:
    """A chat answer with one picture, as OpenRouter gives it."""
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    message = {"role": "assistant", "content": "", "images": [{"type": "image_url", "image_url": {"url": url}}]}
    return Reply(body=json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())


def _read(handler: BaseHTTPRequestHandler) -> Asked:
    body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
    headers = {name.lower(): value for name, value in handler.headers.items()}
    kind = headers.get("content-type", "")
    fields: dict[str, Any] = {}
    files: list[tuple[str, str, str, bytes]] = []
    if kind.startswith("multipart/"):
        message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + kind.encode() + b"\r\n\r\n" + body)
        for part in message.iter_parts():
            name = str(part.get_param("name", header="content-disposition"))
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            if part.get_filename():
                files.append((name, str(part.get_filename()), part.get_content_type(), data))
            else:
                fields[name] = data.decode()
    elif body:
        fields = json.loads(body)
    return Asked(method=handler.command, path=handler.path, headers=headers, fields=fields, files=tuple(files))


@contextmanager
def open_shop(words: dict[str, Behaviour] | None = None) -> Iterator[Shop]:
    """A shop on a port of its own, closed at the end."""
    shop = Shop(words=dict(words or {}))
    lock = threading.Lock()

    class Counter(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            asked = _read(self)
            with lock:
                shop.asked.append(asked)
            reply = shop.answer(asked)
            with suppress(OSError):
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            if reply.raw is not None:
                self.wfile.write(reply.raw)
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(reply.status)
            self.send_header("content-type", reply.kind)
            self.send_header("content-length", str(len(reply.body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = _serve  # noqa: N815 -- names of http.server

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    shop.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
