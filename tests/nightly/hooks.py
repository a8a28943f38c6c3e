"""Webhooks on loopback: they listen, refuse, or hang."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """What a webhook was told. statuses: what it answers, the last one for ever; hang: seconds before it answers.

    retry_after: what it says of when to come again; empty for nothing.
    """

    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    statuses: tuple[int, ...] = (204,)
    hang: float = 0.0
    retry_after: str = ""


@contextmanager
def hook(*statuses: int, hang: float = 0.0) -> Iterator[Hook]:
    """A webhook as long as it is needed."""
    found = Hook(statuses=statuses or (204,), hang=hang)
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if found.hang:
                over.wait(found.hang)
            self.send_response(found.statuses[min(len(found.bodies), len(found.statuses)) - 1])
            if found.retry_after:
                self.send_header("Retry-After", found.retry_after)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/secret-part"
    try:
        yield found
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
        time.sleep(0)
