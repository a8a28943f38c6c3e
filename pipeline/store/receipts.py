"""What was bought and what people decided, a file each: a lost ledger can be made anew from these alone."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from pipeline.domain.failpoint import failpoint
from pipeline.domain.record import Intent, Settlement
from pipeline.domain.temporary import temporary_name
from pipeline.store import decisions, durable
from pipeline.store.decisions import Decided
from pipeline.store.leavings import ATTEMPT
from pipeline.store.receipt_text import from_bytes, to_bytes

_MONTH: Final = re.compile(r"\d{6}")
_DECISIONS: Final = "decisions"
_PRIVATE: Final = 0o600
_LARGEST: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What was meant to be bought and what came of it."""

    intent: Intent
    settlement: Settlement
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenReceipt:
    """A file among the receipts that is none; what: why, in one line."""

    path: Path
    what: str


class Receipts:
    """Receipts as ``<folder>/<yyyymm>/<attempt>.json`` (month of the intent, UTC), mode 0600, never deleted.

    What a person decided lies in ``<folder>/decisions``, named by its time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._months: set[str] = set()

    def write(self, intent: Intent, settlement: Settlement, sync: Callable[[int], None] = durable.sync_folder) -> Path:
        """Writes a receipt durably: temporary file, fsync, rename, fsync of its folder. Idempotent. Blocks.

        sync: what is done with that folder's descriptor (`durable.Unsynced` syncs it later, with others).

        It goes before the ledger's settlement, for what the ledger says must be provable without it.
        Raises DiskFull, MachineError, ValueError for an unusable id or a settlement of another attempt.
        """
        if not ATTEMPT.fullmatch(intent.attempt_id) or settlement.attempt_id != intent.attempt_id:
            raise ValueError(f"{intent.attempt_id!r} and {settlement.attempt_id!r} make no receipt")
        data = to_bytes(intent, settlement)
        path = self._path(intent)
        month = path.parent.name
        with durable.told(path, "cannot write a receipt"), durable.folder(self._folder, follow=True) as root:
            self._make_folder(month, inside=root)
            with durable.folder(month, inside=root) as inside:
                _write(path.name, data, root=root, inside=inside)
                sync(inside)
            failpoint("receipt.written")
        return path

    def decide(self, decided: Decided) -> Path:
        """Writes a person's decision durably, before the ledger is told. Blocks. Raises DiskFull, MachineError.

        Of two decisions about one attempt the later one counts: the command of the first died on its way.
        """
        name = f"{decided.decided_at.astimezone(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}.json"
        path = self._folder / _DECISIONS / name
        with durable.told(path, "cannot write a decision down"), durable.folder(self._folder, follow=True) as root:
            self._make_folder(_DECISIONS, inside=root)
            with durable.folder(_DECISIONS, inside=root) as inside:
                part = temporary_name()
                durable.write_whole(part, decisions.to_bytes(decided), inside=root, mode=_PRIVATE)
                os.rename(part, name, src_dir_fd=root, dst_dir_fd=inside)
                durable.sync_folder(inside)
        failpoint("decision.written")
        return path

    def decided(self) -> Iterator[Decided | BrokenReceipt]:
        """Every decision, the oldest first; what cannot be read comes as a BrokenReceipt."""
        folder = self._folder / _DECISIONS
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            try:
                yield decisions.from_bytes(durable.read_regular(path, at_most=_LARGEST))
            except OSError as error:
                yield BrokenReceipt(path=path, what=f"{path}: cannot be read: {error.strerror}")
            except ValueError as error:
                yield BrokenReceipt(path=path, what=f"{path}: no decision: {error}")

    def walk(self) -> Iterator[Receipt | BrokenReceipt]:
        """Every receipt, in order of its month and attempt; what cannot be read comes as a BrokenReceipt."""
        for month in sorted(path for path in self._folder.iterdir() if _MONTH.fullmatch(path.name)):
            for path in sorted(month.iterdir()):
                yield _read(path)

    def find(self, intent: Intent) -> Receipt | None:
        """The receipt of an attempt, if there is one that can be read. Its name is durable. Raises MachineError."""
        path = self._path(intent)
        found = _read(path) if path.exists() else None
        if not isinstance(found, Receipt):
            return None
        with durable.told(path.parent, "cannot be synced"), durable.folder(path.parent, follow=True) as fd:
            durable.sync_folder(fd)  # who gave it that name may have died before this
        return found

    def _make_folder(self, month: str, *, inside: int) -> None:
        if month in self._months:
            return
        with contextlib.suppress(FileExistsError):
            os.mkdir(month, 0o700, dir_fd=inside)
        # Once a process even when it was there: its maker may have died before its name was durable.
        durable.sync_folder(inside)
        self._months.add(month)

    def _path(self, intent: Intent) -> Path:
        return self._folder / f"{intent.opened_at.astimezone(UTC):%Y%m}" / f"{intent.attempt_id}.json"

    def is_empty(self) -> bool:
        """Whether nothing was ever bought here, as far as receipts tell."""
        return next(self.walk(), None) is None

    def sweep(self) -> int:
        """Removes temporary files of dead processes and says how many; call it under the run lock."""
        with durable.told(self._folder, "cannot be tidied"), durable.folder(self._folder, follow=True) as root:
            return durable.sweep(root)


def _write(name: str, data: bytes, *, root: int, inside: int) -> None:
    """The temporary file lies beside the months, so that one short listing finds what a killed process left."""
    part = temporary_name()
    failpoint("receipt.write")
    durable.write_whole(part, data, inside=root, mode=_PRIVATE)
    failpoint("receipt.rename")
    os.rename(part, name, src_dir_fd=root, dst_dir_fd=inside)
    failpoint("receipt.renamed")


def _read(path: Path) -> Receipt | BrokenReceipt:
    try:
        intent, settlement = from_bytes(durable.read_regular(path, at_most=_LARGEST))
    except OSError as error:
        return BrokenReceipt(path=path, what=f"{path}: cannot be read: {error.strerror}")
    except ValueError as error:
        return BrokenReceipt(path=path, what=f"{path}: no receipt: {error}")
    if path.name != f"{intent.attempt_id}.json":
        return BrokenReceipt(path=path, what=f"{path}: the receipt of another attempt ({intent.attempt_id})")
    return Receipt(intent=intent, settlement=settlement, path=path)
