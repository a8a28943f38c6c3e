"""What the gateway remembers: every POST, and every picture it billed."""

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.domain.digest import Json
from pipeline.gateway.order import Order

_LOGGED = 1000
_PROMPT_SHOWN = 300


@dataclass(slots=True, kw_only=True)
class Entry:
    """One POST in the log. status 0: none was sent. No key, no picture, no base64 is ever in it."""

    number: int
    method: str
    path: str
    request_id: str
    status: int = 0
    seconds: float = 0.0
    billed: int = 0
    fault: str = ""
    asked: dict[str, Json] = field(default_factory=dict)

    def as_json(self) -> dict[str, Json]:
        """The entry as `/_gateway/stats` shows it."""
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "request_id": self.request_id,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "billed": self.billed,
            "fault": self.fault,
            **self.asked,
        }


class Stats:
    """Counts for one gateway; not shared between threads."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets everything but what is in flight now."""
        self.requests = 0
        self.images_billed = 0
        self.billed: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.in_flight = getattr(self, "in_flight", 0)
        self.highest_concurrency = self.in_flight
        self.log: deque[Entry] = deque(maxlen=_LOGGED)

    @contextmanager
    def flight(self, path: str, request_id: str) -> Iterator[Entry]:
        """Counts one POST from its arrival to the end of its answer."""
        self.requests += 1
        entry = Entry(number=self.requests, method="POST", path=path, request_id=request_id)
        self.log.append(entry)
        self.in_flight += 1
        self.highest_concurrency = max(self.highest_concurrency, self.in_flight)
        try:
            yield entry
        finally:
            self.in_flight -= 1
            self.statuses[str(entry.status) if entry.status else "none"] += 1

    def note(self, entry: Entry, order: Order) -> None:
        """Writes down what a request asked for."""
        entry.asked = {
            "model": order.model,
            "prompt": order.prompt[:_PROMPT_SHOWN],
            "n": order.n,
            "size": order.size,
            "quality": order.quality,
            "background": order.background,
            "output_format": order.output_format,
            "stream": order.stream,
            "inputs": [
                {
                    "sha256": entry.digest,
                    "bytes": entry.bytes,
                    "media_type": entry.media_type,
                    "filename": entry.filename,
                }
                for entry in order.inputs
            ],
            "mask": order.mask.digest if order.mask else None,
            "dropped": list(order.dropped),
        }

    def bill(self, entry: Entry, order: Order) -> None:
        """Counts the pictures of an order as paid for; called before the first byte of the answer goes out."""
        entry.billed += order.n
        self.images_billed += order.n
        self.billed[order.prompt] += order.n

    def as_json(self) -> dict[str, Json]:
        """The object of ``GET /_gateway/stats``."""
        return {
            "requests": self.requests,
            "images_billed": self.images_billed,
            "billed": dict(self.billed),
            "statuses": dict(self.statuses),
            "in_flight": self.in_flight,
            "highest_concurrency": self.highest_concurrency,
            "log": [entry.as_json() for entry in self.log],
        }
