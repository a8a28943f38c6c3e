"""The outside witness: a host on loopback that sells pictures, and writes down each sale before it answers.

Its file is the bill: one JSON line for each request that came whole. It also knows which answers were read to their
end by a live client: one that is killed with bytes unread resets the line, and one that is dying is told by its flags.
"""

import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.fakes import _read, answer_of, png

PF_EXITING = 0x4

SMALL_ONE = (48, 48)
LARGE_ONE = (320, 300)
"""Pixels of a picture, and of every fourth: of three bytes each, it is written past the page cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """A request that came whole, and so is billed. digests: SHA-256 of the pictures it bought."""

    serial: int
    prompt: str
    count: int
    digests: tuple[str, ...]

    @property
    def request_id(self) -> str:
        return f"sale-{self.serial}"


class Witness:
    """Sells pictures that are unique to each sale. latency: seconds until an answer begins, at most.

    Prompts that start with ``url`` are answered with addresses of pictures. pid: the client that is watched.
    first: sales are numbered from the one after it. in_flight: sales whose answers have not wholly left, at most
    ``highest`` at once: what the client is held to. open_lines: sales whose lines have not ended.
    """

    def __init__(self, bill: Path, *, latency: float = 0.03, seed: int = 0, first: int = 0) -> None:
        self._file = os.open(bill, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._bill = bill
        self._latency = latency
        self._luck = random.Random(seed)
        self._lock = threading.Lock()
        self._serial = first
        self._places: dict[str, bytes] = {}
        self.base = ""
        self.pid = 0
        self.delivered: set[int] = set()
        self.in_flight = 0
        self.open_lines = 0
        self.highest = 0

    def sales(self) -> tuple[Sale, ...]:
        """The bill as it stands on disk."""
        lines = [json.loads(line) for line in self._bill.read_text().splitlines()]
        return tuple(Sale(**{**line, "digests": tuple(line["digests"])}) for line in lines)

    def sell(self, prompt: str, count: int) -> tuple[int, bytes, float]:
        """Writes the sale down and gives its number, the answer and how long that takes."""
        with self._lock:
            self._serial += 1
            serial = self._serial
            wait = self._luck.random() * self._latency
            self.in_flight += 1
            self.open_lines += 1
            self.highest = max(self.highest, self.in_flight)
        width, height = LARGE_ONE if serial % 4 == 0 else SMALL_ONE
        pictures = [png(f"{self._bill} {serial} {number}", width=width, height=height) for number in range(count)]
        digests = [sha256(picture).hexdigest() for picture in pictures]
        line = {"serial": serial, "prompt": prompt, "count": count, "digests": digests}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        if not prompt.startswith("url"):
            return serial, answer_of(*pictures), wait
        places = [f"/pictures/{serial}-{number}.png" for number in range(count)]
        self._places.update(zip(places, pictures, strict=True))
        return serial, answer_of(*(self.base.removesuffix("/v1") + place for place in places)), wait

    def picture(self, path: str) -> bytes:
        """What lies at a url; empty for a stranger."""
        return self._places.get(path, b"")

    def ended(self, serial: int, line: socket.socket) -> None:
        """The whole answer was handed over: waits for what the client makes of it."""
        line.settimeout(5)
        try:
            read_whole = line.recv(1) == b"" and alive(self.pid)
        except OSError:
            read_whole = False
        if read_whole:
            self.delivered.add(serial)

    def answered(self) -> None:
        """The last of an answer is about to leave: from here on its client may well ask for the next."""
        with self._lock:
            self.in_flight -= 1

    def gone(self) -> None:
        """The line of a sale has ended."""
        with self._lock:
            self.open_lines -= 1

    @contextmanager
    def open(self) -> Iterator["Witness"]:
        """Serves while the block lasts; its address is ``base``."""
        server = _Server(self)
        self.base = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
            os.close(self._file)


def alive(pid: int) -> bool:
    """Whether a process is there and not on its way out; a doubt says no."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    state, *rest = text.rpartition(")")[2].split()
    return state not in "ZX" and not int(rest[5]) & PF_EXITING


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, witness: Witness) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.witness = witness


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        self.close_connection = True
        if len(body) < length:
            return
        fields, _ = _read(self.headers.get("content-type", ""), body)
        serial, answer, wait = self.server.witness.sell(str(fields["prompt"]), int(fields.get("n") or 1))
        try:
            self._answer(serial, answer, wait)
        except OSError:
            return  # it was killed
        finally:
            self.server.witness.gone()

    def _answer(self, serial: int, answer: bytes, wait: float) -> None:
        half = len(answer) // 2
        try:
            time.sleep(wait)
            self._head(len(answer), {"x-request-id": f"sale-{serial}", "Content-Type": "application/json"})
            self.wfile.write(answer[:half])
            time.sleep(wait / 4)
        finally:
            self.server.witness.answered()
        self.wfile.write(answer[half:])
        self.server.witness.ended(serial, self.connection)

    def do_GET(self) -> None:
        data = self.server.witness.picture(self.path)
        self.close_connection = True
        try:
            self._head(len(data), {"Content-Type": "image/png"}, 200 if data else 404)
            self.wfile.write(data)
        except OSError:
            return

    def _head(self, length: int, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        pass
