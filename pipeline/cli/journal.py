"""The log file: one JSON object a line for every event of a run (``--log FILE``)."""

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pipeline.domain.digest import Json
from pipeline.domain.errors import MachineError
from pipeline.domain.event import AssetSettled, AttemptEnded, AttemptSent, Event
from pipeline.domain.money import to_usd

MONEY = frozenset({"usd", "worst", "budget"})
"""Fields of events that hold micro-USD; a log speaks of USD."""


def as_line(event: Event, at: datetime, run: str) -> str:
    """One event as one line of JSON: ``{"at", "run", "event", …}``; never a prompt, a key or image bytes."""
    record: dict[str, Json] = {
        "at": at.isoformat(timespec="milliseconds"),
        "run": run,
        "event": _name(event),
    }
    for field in dataclasses.fields(event):
        value = getattr(event, field.name)
        if field.name == "run_id":
            continue
        record[field.name] = to_usd(value) if field.name in MONEY and value is not None else value
    return json.dumps(record, ensure_ascii=False, default=str)


def _name(event: Event) -> str:
    match event:
        case AttemptSent():
            return "sent"
        case AttemptEnded():
            return event.outcome.value
        case AssetSettled():
            return "asset"
        case _:
            name = type(event).__name__
            return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Journal:
    """Appends events to a file, a line each, flushed at once: what a line says has happened."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._now = now
        self._run = ""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: TextIO | None = path.open("a", encoding="utf-8")
        except OSError as error:
            raise MachineError(f"{path}: the log cannot be written: {error.strerror} (choose another --log)") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file:
            self._file.close()

    def __call__(self, event: Event) -> None:
        """Writes one line. A log that cannot be written any more is given up: it never stops a paid run."""
        if self._file is None:
            return
        self._run = getattr(event, "run_id", "") or self._run
        try:
            self._file.write(as_line(event, self._now(), self._run) + "\n")
            self._file.flush()
        except OSError:
            self._file = None
