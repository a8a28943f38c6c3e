"""The flight recorder: what came of every POST, on disk as it comes, so that a killed process loses nothing.

Files of an attempt, in order: ``.part`` (with reserved room) and ``.intent`` (what is to be bought, for the day the
ledger is lost; both before the ledger's own row), ``.sent`` (empty: the first byte is
about to leave), ``.head`` (JSON), ``.body`` (the whole body, durable), ``.0.bin``… (pictures fetched from url results).
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pipeline.domain.record import AttemptId, Intent
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.store import durable, headers
from pipeline.store.flight import SpoolFlight
from pipeline.store.receipt_text import intent_from_bytes, intent_to_bytes

_ATTEMPT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_FILE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,99})\.(intent|sent|head|part|body|(\d{1,3})\.bin)")
_MEMORY: Final = 64 * 1024 * 1024
_LARGEST_HEAD: Final = 128 * 1024
_LARGEST_INTENT: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the spool has of one attempt after its process died.

    sent: the request was about to leave (within the same boot its absence proves that it was not sent; after a power
    cut only whole files prove anything). whole: the body was received and synced whole. size: bytes of body or
    fragment, the trailing zeros of the reserve not counted out. pictures: numbers of fetched pictures kept.
    """

    attempt_id: AttemptId
    sent: bool
    head: Head | None
    whole: bool
    size: int
    pictures: tuple[int, ...]

    @property
    def is_empty(self) -> bool:
        """Nothing arrived: nothing is lost by removing these files."""
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

    def open(self, attempt_id: AttemptId, reserve: int = 0, intent: Intent | None = None) -> SpoolFlight:
        """A recorder for a new attempt with room for *reserve* bytes of answer, its *intent* noted beside it. Blocks.

        Call it before the intent is written: raises DiskFull when that room cannot be had, and then nothing may be
        sent. Raises MachineError when the attempt has files already, ValueError for an unusable id.
        """
        flight = self._flight(attempt_id)
        flight.prepare(reserve, intent_to_bytes(intent) if intent is not None else b"")
        return flight

    def reopen(self, attempt_id: AttemptId) -> SpoolFlight:
        """The recorder of an attempt whose process died: ``fragment()``, ``finish()`` and the rest work as before."""
        return self._flight(attempt_id)

    def intent(self, attempt_id: AttemptId) -> Intent | None:
        """What an attempt was to buy, as noted when it was opened; None where there is no such note, or a torn one."""
        try:
            noted = durable.read_regular(self._folder / f"{attempt_id}.intent", at_most=_LARGEST_INTENT)
            intent = intent_from_bytes(noted)
        except (OSError, ValueError):
            return None
        return intent if intent.attempt_id == attempt_id else None

    def scan(self) -> Iterator[Evidence]:
        """What is there of each attempt, in order of its id. Raises MachineError when the folder cannot be read."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        with durable.told(f"{self._folder}: cannot be read"), os.scandir(self._folder) as entries:
            for entry in entries:
                match = _FILE.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    found[match[1]][match[2]] = entry.stat(follow_symlinks=False).st_size
        for attempt_id in sorted(found):
            yield self._evidence(AttemptId(attempt_id), found[attempt_id])

    def _evidence(self, attempt_id: AttemptId, sizes: dict[str, int]) -> Evidence:
        pictures = sorted(int(kind.removesuffix(".bin")) for kind in sizes if kind.endswith(".bin"))
        whole = "body" in sizes
        size = sizes["body"] if whole else self._flight(attempt_id).arrived() if "part" in sizes else 0
        return Evidence(
            attempt_id=attempt_id,
            sent="sent" in sizes,
            head=self._head(attempt_id) if "head" in sizes else None,
            whole=whole,
            size=size,
            pictures=tuple(pictures),
        )

    def _head(self, attempt_id: AttemptId) -> Head | None:
        try:
            return headers.from_bytes(durable.read_regular(self._folder / f"{attempt_id}.head", at_most=_LARGEST_HEAD))
        except OSError:
            return None

    def sweep(self) -> int:
        """Removes temporary files of dead processes and says how many; call it under the run lock."""
        gone = 0
        for place in (self._folder, self._quarantine):
            with durable.told(f"{place}: cannot be tidied"), durable.folder(place, follow=True) as fd:
                gone += durable.sweep(fd)
        return gone

    def quarantined(self) -> Iterator[Path]:
        """Every file in quarantine, in order of its name: evidence of what was paid for and cannot be used."""
        return iter(sorted(path for path in self._quarantine.iterdir() if path.is_file()))

    def release(self, before: datetime) -> int:
        """Removes what was quarantined before that time (UTC) and says how many files went."""
        old = [path for path in self.quarantined() if path.stat().st_mtime < before.timestamp()]
        with durable.told(f"{self._quarantine}: cannot be tidied"):
            for path in old:
                path.unlink(missing_ok=True)
        return len(old)

    def _flight(self, attempt_id: AttemptId) -> SpoolFlight:
        if not _ATTEMPT.fullmatch(attempt_id):
            raise ValueError(f"{attempt_id!r} cannot name files")
        return SpoolFlight(
            folder=self._folder,
            quarantine=self._quarantine,
            attempt_id=attempt_id,
            memory=self._memory,
            keep_headers=self._keep_headers,
            secrets=self._secrets,
        )


def reason_of(path: Path) -> str:
    """Why a quarantined attempt is there; *path* is its ``.why`` file."""
    data = json.loads(durable.read_regular(path, at_most=_LARGEST_HEAD))
    return str(data.get("reason", "")) if isinstance(data, dict) else ""
