"""What the world knew at a moment of a run, told from what the program had handed to the kernel by then."""

import json
import struct
from dataclasses import dataclass, field

_HEADER = struct.Struct("<2sHIII")
_OPENED, _SENT, _HEAD = 1, 2, 3


@dataclass(slots=True)
class Told:
    """Attempts sent and answered, by the records of the spool, and those told as done, by the log."""

    sent: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    _named: dict[tuple[str, int], str] = field(default_factory=dict)

    def feed(self, path: str, written: bytes) -> None:
        """Takes a write: a record is always one, its header first."""
        if path.endswith(".flights"):
            self._record(path, written)
        elif path.endswith("night.ndjson"):
            self._lines(written)

    def _record(self, path: str, written: bytes) -> None:
        if len(written) < _HEADER.size:
            return
        magic, kind, number, _, _ = _HEADER.unpack_from(written)
        if magic != b"PF":
            return
        if kind == _OPENED:
            self._named[path, number] = written[_HEADER.size :].partition(b"\n")[0].decode()
        elif kind in {_SENT, _HEAD}:
            (self.sent if kind == _SENT else self.answered).add(self._named[path, number])

    def _lines(self, text: bytes) -> None:
        for line in text.decode(errors="replace").splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("event") == "done" and "attempt_id" in event:
                self.done.add(event["attempt_id"])
