"""The flight recorder: what came of every POST, on disk as it comes, so that a killed process loses nothing.

Attempts of a process share a file (``*.flights``, see `segment`) of records, in order: the intent (what is to be
bought, for the day the ledger is lost) after room for the answer was taken, both before the ledger's own row; that the
first byte is about to leave; the head; the body in pieces; that the attempt is settled. Beside it lie, where there are
any, ``<attempt>.body`` (a body that those records could not take) and ``<attempt>.0.bin``… (pictures fetched from url
results), all durable.
"""

import contextlib
import errno
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.domain.failpoint import failpoint
from pipeline.domain.record import AttemptId, Intent
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.store import durable, frames, headers
from pipeline.store.entries import Entry
from pipeline.store.flight import SpoolFlight
from pipeline.store.leavings import ATTEMPT, FILE
from pipeline.store.receipt_text import intent_from_bytes, intent_to_bytes
from pipeline.store.segment import OURS, Segment

_MEMORY: Final = 64 * 1024 * 1024
_LARGEST_WHY: Final = 128 * 1024
_LARGEST_HEAD: Final = 128 * 1024
_LARGEST_INTENT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the spool has of one attempt after its process died.

    sent: the request was about to leave (within the same boot its absence proves that it was not sent; after a power
    cut only whole bodies prove anything). whole: the body was received whole and, unless the power went just then,
    synced. size: bytes of body or fragment. pictures: numbers of fetched pictures kept.
    """

    attempt_id: AttemptId
    sent: bool
    head: Head | None
    whole: bool
    size: int
    pictures: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing arrived: nothing is lost by forgetting this attempt."""
        return not (self.whole or self.size or self.pictures or self.head)


class Spool:
    """Opens a flight recorder for each attempt and says what dead processes left.

    memory: bytes of a body that are kept in memory where the disk has no room for it. keep_headers: names to
    keep besides the allow-list (a profile's request id header). secrets: keys that no quarantined file may hold.
    """

    def __init__(
        self,
        folder: Path,
        quarantine: Path,
        *,
        memory: int = _MEMORY,
        keep_headers: frozenset[str] = frozenset(),
        secrets: tuple[Secret, ...] = (),
    ) -> None:
        self._folder = folder
        self._quarantine = quarantine
        self._memory = memory
        self._keep_headers = keep_headers
        self._secrets = secrets
        self._current: Segment | None = None
        self._segments: dict[str, Segment] = {}
        self._torn: set[str] = set()
        self._unread: set[str] = set()
        self._lock = threading.Lock()

    def is_ready(self, reserve: int) -> bool:
        """Whether `open` would take no longer than a write: so much room is there."""
        current = self._current
        return current is not None and not self._lock.locked() and not current.is_full and current.has_room(reserve)

    def open(self, attempt_id: AttemptId, reserve: int = 0, intent: Intent | None = None) -> SpoolFlight:
        """A recorder for a new attempt with room for *reserve* bytes of answer, its *intent* noted. Blocks.

        Call it before the intent is written: raises DiskFull when that room cannot be had, and then nothing may be
        sent. Raises MachineError for an attempt that is open already, ValueError for an unusable id.
        """
        _check(attempt_id)
        note = intent_to_bytes(intent) if intent is not None else b""
        with durable.told(self._folder, "cannot reserve room for an answer"), self._lock:
            if self._entry(attempt_id)[1] is not None:
                raise OSError(errno.EEXIST, f"attempt {attempt_id} exists already")
            failpoint("spool.reserve")
            segment, entry = self._take(attempt_id, reserve, note)
        return self._flight(attempt_id, segment, entry, is_new=True)

    def _take(self, attempt_id: AttemptId, reserve: int, note: bytes) -> tuple[Segment, Entry]:
        """Room in the file that is written to, or in a new one where that has none."""
        current = self._current
        if current is not None and not current.is_full:
            try:
                return current, current.open(attempt_id, reserve, note)
            except OSError as error:
                if error.errno not in durable.NO_ROOM:
                    raise
        self._retire()
        segment = Segment.create(self._folder)
        try:
            entry = segment.open(attempt_id, reserve, note)
        except OSError:
            segment.leave()
            raise
        self._current = self._segments[segment.path.name] = segment
        return segment, entry

    def _retire(self) -> None:
        """The file that was written to takes no new attempts; it goes with the last one that is open in it."""
        current, self._current = self._current, None
        if current is None:
            return
        if current.entries:
            current.trim()
        else:
            self._drop(current)

    def _drop(self, segment: Segment) -> None:
        self._segments.pop(segment.path.name, None)
        segment.leave()

    def settled(self, segment: Segment) -> None:
        """Told by a recorder that has closed its attempt: the file goes when it was the last one."""
        if segment is not self._current and not segment.entries:
            self._drop(segment)

    def close(self) -> None:
        """Gives every descriptor back; a file goes unless an attempt in it is open, else the next start takes it."""
        with self._lock:
            self._current = None
            for segment in list(self._segments.values()):
                with contextlib.suppress(OSError):
                    self._drop(segment)

    def reopen(self, attempt_id: AttemptId) -> SpoolFlight:
        """The recorder of an attempt whose process died: ``fragment()``, ``finish()`` and the rest work as before."""
        _check(attempt_id)
        with durable.told(self._folder, "cannot be read"), self._lock:
            self._load()
            return self._flight(attempt_id, *self._entry(attempt_id))

    def intent(self, attempt_id: AttemptId) -> Intent | None:
        """What an attempt was to buy, as noted when it was opened; None where there is no such note, or a torn one."""
        try:
            with self._lock:
                self._load()
                segment, entry = self._entry(attempt_id)
            if segment is None or entry is None or entry.intent[1] > _LARGEST_INTENT:
                return None
            intent = intent_from_bytes(segment.read([entry.intent]))
        except (OSError, ValueError):
            return None
        return intent if intent.attempt_id == attempt_id else None

    def scan(self) -> Iterator[Evidence]:
        """What is there of each attempt, in order of its id. Raises MachineError when the folder cannot be read."""
        with durable.told(self._folder, "cannot be read"), self._lock:
            self._load()
            entries = {
                entry.attempt_id: (segment, entry)
                for segment in list(self._segments.values())
                for entry in list(segment.entries.values())
            }
            files = self._files()
        for attempt_id in sorted({*entries, *files}):
            segment, entry = entries.get(attempt_id, (None, None))
            yield _evidence(attempt_id, segment, entry, files.get(attempt_id, {}))

    def unread(self) -> int:
        """Files of ours that this version cannot read: what is not found may be in them. Raises MachineError."""
        with durable.told(self._folder, "cannot be read"), self._lock:
            self._load()
            return len(self._unread)

    def _files(self) -> dict[AttemptId, dict[str, int]]:
        """The files of attempts, by kind, with their sizes."""
        found: dict[AttemptId, dict[str, int]] = {}
        with os.scandir(self._folder) as each:
            for file in each:
                match = FILE.fullmatch(file.name)
                if match and file.is_file(follow_symlinks=False):
                    size = file.stat(follow_symlinks=False).st_size
                    found.setdefault(AttemptId(match[1]), {})[match[2]] = size
        return found

    def _load(self) -> None:
        """Reads the files of dead processes; ours are known."""
        with os.scandir(self._folder) as each:
            found = [file for file in each if OURS.fullmatch(file.name) and file.name not in self._segments]
        left = sorted(file.name for file in found if file.is_file(follow_symlinks=False))
        for name in left:
            with contextlib.suppress(FileNotFoundError):  # a living process was done with it
                segment = Segment.load(self._folder / name)
                if segment is not None:
                    self._segments[name] = segment
                else:
                    (self._torn if _is_torn(self._folder / name) else self._unread).add(name)

    def _entry(self, attempt_id: AttemptId) -> tuple[Segment | None, Entry | None]:
        for segment in list(self._segments.values()):
            for entry in list(segment.entries.values()):
                if entry.attempt_id == attempt_id:
                    return segment, entry
        return None, None

    def sweep(self) -> int:
        """Removes temporary files of dead processes, and files in which no attempt is open any more; says how many.

        Call it under the run lock.
        """
        with durable.told(self._folder, "cannot be tidied"), self._lock:
            self._load()
            over = [each for each in list(self._segments.values()) if each is not self._current and not each.entries]
            for segment in over:
                self._drop(segment)
            gone = len(over) + len(self._torn)
            while self._torn:  # a power cut took their beginning, and so nothing in them was ever synced
                (self._folder / self._torn.pop()).unlink(missing_ok=True)
        for place in (self._folder, self._quarantine):
            with durable.told(place, "cannot be tidied"), durable.folder(place, follow=True) as fd:
                gone += durable.sweep(fd)
        return gone

    def quarantined(self) -> Iterator[Path]:
        """Every file in quarantine, in order of its name: evidence of what was paid for and cannot be used."""
        return iter(sorted(path for path in self._quarantine.iterdir() if path.is_file()))

    def release(self, before: datetime) -> int:
        """Removes what was quarantined before that time (UTC) and says how many files went."""
        old = [path for path in self.quarantined() if path.stat().st_mtime < before.timestamp()]
        with durable.told(self._quarantine, "cannot be tidied"):
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def _flight(
        self, attempt_id: AttemptId, segment: Segment | None, entry: Entry | None, *, is_new: bool = False
    ) -> SpoolFlight:
        return SpoolFlight(
            folder=self._folder,
            quarantine=self._quarantine,
            attempt_id=attempt_id,
            memory=self._memory,
            keep_headers=self._keep_headers,
            secrets=self._secrets,
            segment=segment,
            entry=entry,
            settled=self.settled,
            is_new=is_new,
        )


def _check(attempt_id: AttemptId) -> None:
    if not ATTEMPT.fullmatch(attempt_id):
        raise ValueError(f"{attempt_id!r} cannot name files")


def _is_torn(path: Path) -> bool:
    """Whether the beginning of a file of ours never came to the medium."""
    with path.open("rb") as file:
        start = file.read(frames.SIZE)
    return len(start) < frames.SIZE or not any(start)


def _evidence(attempt_id: AttemptId, segment: Segment | None, entry: Entry | None, files: dict[str, int]) -> Evidence:
    pictures = sorted(int(kind.removesuffix(".bin")) for kind in files if kind.endswith(".bin"))
    return Evidence(
        attempt_id=attempt_id,
        sent=entry is not None and entry.sent,
        head=_head(segment, entry) if segment is not None and entry is not None else None,
        whole="body" in files or (entry is not None and entry.whole),
        size=files.get("body", entry.size if entry is not None else 0),
        pictures=tuple(pictures),
    )


def _head(segment: Segment, entry: Entry) -> Head | None:
    if entry.head is None or entry.head[1] > _LARGEST_HEAD:
        return None
    try:
        return headers.from_bytes(segment.read([entry.head]))
    except OSError:
        return None


def reason_of(path: Path) -> str:
    """Why a quarantined attempt is there; *path* is its ``.why`` file."""
    data = json.loads(durable.read_regular(path, at_most=_LARGEST_WHY))
    return str(data.get("reason", "")) if isinstance(data, dict) else ""
