"""One file of the spool: what came of many attempts, in the order in which it came.

Creating and removing a file for each attempt is what a spool of small answers costs most. Here an attempt costs a few
writes to a file that is open already; a file that is full is removed when its last attempt is settled.
"""

import contextlib
import errno
import os
import re
import secrets
import stat
import threading
from pathlib import Path
from typing import Final, Self

from pipeline.domain.failpoint import failpoint
from pipeline.domain.record import AttemptId
from pipeline.store import direct, durable, frames
from pipeline.store.entries import Entry, read_entries, read_pieces
from pipeline.store.frames import Kind
from pipeline.store.reserve import reserve_space

OURS: Final = re.compile(r"[0-9a-f]{16}\.flights")
"""What `Segment.create` calls a file."""
FULL: Final = 16 * 1024 * 1024
"""Bytes after which no new attempt is written to a file; its space is free again when the last one in it is settled."""

_STEP: Final = 4 * 1024 * 1024
_NEXT: Final = 6
"""Answers of the same size for which room is taken with one."""

_MOST: Final = 4 * _STEP
"""Bytes of room that are taken for others at most."""

_OVERHEAD: Final = 8 * 1024
"""Room of an attempt beside its body: its head, and the headers of records."""

_PLENTY: Final = 64
"""So many times what is taken for others must be free on a disk: pictures, receipts and the ledger need room too."""

_PRIVATE: Final = 0o600


class Segment:
    """Attempts in one file, written by one process at a time. Safe to use from several threads.

    entries: of the attempts that are not closed, by their numbers. Every method that writes raises OSError.
    """

    def __init__(self, path: Path, fd: int, salt: int) -> None:
        self.path = path
        self.entries: dict[int, Entry] = {}
        self._fd = fd
        self._salt = salt
        self._end = frames.SIZE
        self._room = frames.SIZE
        self._promised = 0
        self._numbers = 0
        self._is_bad = False
        self._is_left = False
        self._lock = threading.Lock()
        self._syncing = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Self:
        """A new file, its name durable."""
        with durable.folder(folder, follow=True) as inside:
            name = f"{secrets.token_hex(8)}.flights"
            fd = durable.create(name, inside=inside, mode=_PRIVATE, read=True)
            start, salt = frames.beginning()
            try:
                direct.write(fd, start)
                durable.sync_folder(inside)
            except OSError:
                os.close(fd)
                durable.discard(name, inside=inside)
                raise
        return cls(folder / name, fd, salt)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """The file of a dead process; None for one that is not ours. Raises OSError."""
        flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(path, flags | os.O_RDWR)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EROFS}:
                raise
            fd = os.open(path, flags | os.O_RDONLY)  # enough to look
        try:
            segment = cls._read(path, fd)
        except OSError:
            os.close(fd)
            raise
        if segment is None:
            os.close(fd)
        return segment

    @classmethod
    def _read(cls, path: Path, fd: int) -> Self | None:
        status = os.fstat(fd)
        salt = frames.salt_of(os.pread(fd, frames.SIZE, 0)) if stat.S_ISREG(status.st_mode) else None
        if salt is None:
            return None
        segment = cls(path, fd, salt)
        found = read_entries(fd, salt, status.st_size)
        segment.entries, segment._end, segment._numbers = found.open, found.end, found.numbers
        segment._room, segment._is_left = status.st_size, True
        return segment

    @property
    def is_full(self) -> bool:
        """Whether new attempts belong in another file."""
        return self._end >= FULL or self._is_bad

    @property
    def is_slow_to_go(self) -> bool:
        """Whether removing it takes longer than a write, and its last open attempt may be the next one to be closed."""
        return self._end > FULL + _STEP and len(self.entries) <= 1

    def has_room(self, size: int) -> bool:
        """Whether an attempt with *size* bytes of answer fits into what is reserved; false while a thread is busy."""
        return not self._lock.locked() and self._end + self._promised + size + 2 * _OVERHEAD <= self._room

    def open(self, attempt_id: AttemptId, reserve: int, intent: bytes) -> Entry:
        """Takes room for *reserve* bytes of answer (0: none is taken) and notes what is to be bought."""
        data = attempt_id.encode() + b"\n" + intent
        promise = reserve + _OVERHEAD if reserve else 0
        with self._lock:
            if reserve or self._promised:
                # For those that come next too: a request that finds its room taken waits for no thread.
                end = self._end + self._promised + promise + frames.SIZE + len(data)
                self._grow(end, max(_STEP, min(_NEXT * promise, _MOST)), _STEP)
            failpoint("spool.intent")
            at = self._append(Kind.OPENED, self._numbers, data)
            self._promised += promise
            start = at + len(attempt_id) + 1
            entry = Entry(number=self._numbers, attempt_id=attempt_id, intent=(start, len(intent)), left=promise)
            self.entries[entry.number] = entry
            self._numbers += 1
            return entry

    def _grow(self, end: int, *spares: int) -> None:
        """Takes disk space up to *end*, and the first of *spares* more of which there is plenty for the next ones."""
        if end <= self._room:
            return
        for more in (*spares, 0):
            if more and not _has_plenty(self._fd, more):
                continue
            wanted = end + more
            try:
                reserve_space(self._fd, self._room, wanted - self._room)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, self._room)
                if not more:
                    raise
            else:
                self._room = wanted
                return

    def trim(self) -> None:
        """Gives back what was taken for others: no new attempts will come."""
        with self._lock, contextlib.suppress(OSError):
            end = self._end + self._promised
            if self._room > end and not self._is_left:
                os.ftruncate(self._fd, end)
                self._room = end

    def sent(self, entry: Entry) -> None:
        """Marks that the first byte is about to leave."""
        with self._lock:
            self._write(entry, Kind.SENT)
            entry.sent = True

    def head(self, entry: Entry, data: bytes) -> None:
        """Notes status and headers."""
        with self._lock:
            entry.head = (self._write(entry, Kind.HEAD, data), len(data))

    def body(self, entry: Entry, piece: bytes | bytearray | memoryview) -> None:
        """Takes the next piece of the body."""
        with self._lock:
            entry.body.append((self._write(entry, Kind.BODY, piece), len(piece)))
            entry.size += len(piece)

    def has_come(self, entry: Entry) -> None:
        """Its body came whole: what is reserved beyond that, but for its last records, is free for others."""
        with self._lock:
            spared = max(0, entry.left - _OVERHEAD)
            entry.left -= spared
            self._promised -= spared

    def seal(self, entry: Entry) -> None:
        """Makes the body durable, and says that it is whole. After a failed sync nobody syncs this file again."""
        self._check()
        if not entry.whole:
            with self._lock:
                self._write(entry, Kind.WHOLE)
        failpoint("spool.sync")
        with self._syncing:  # of two at once the kernel tells only one that it failed
            self._check()
            try:
                durable.sync(self._fd)
            except OSError:
                self._is_bad = True
                raise
        entry.whole = True

    def _check(self) -> None:
        if self._is_bad:
            raise OSError(errno.EIO, "an earlier sync of this file failed")

    def close(self, entry: Entry) -> None:
        """Says that the attempt is settled; what is reserved for it is free for others."""
        with self._lock:
            if self.entries.get(entry.number) is not entry:
                return
            try:
                self._write(entry, Kind.CLOSED)
            except OSError as error:
                if error.errno not in durable.NO_ROOM:
                    raise  # without room the next start finds it open, and settled in the ledger
            self._promised -= entry.left
            entry.left = 0
            del self.entries[entry.number]

    def give_back(self, entry: Entry) -> None:
        """Frees the disk space of a body that is elsewhere by now, as far as it lies at the end, and spare room."""
        with self._lock, contextlib.suppress(OSError):
            self._promised -= entry.left
            entry.left = 0
            end, body = self._end, list(entry.body)
            while body and sum(body[-1]) == end:
                end = body.pop()[0] - frames.SIZE
            # Cut before anything is written there: a record of the old end must never follow one of the new.
            os.ftruncate(self._fd, end)
            self._end = self._room = end
            entry.body, entry.size = body, sum(length for _, length in body)
            self._grow(end + self._promised)

    def read(self, where: list[tuple[int, int]]) -> bytes:
        """The bytes that lie there. Raises OSError."""
        return read_pieces(self._fd, where)

    def cover(self, where: list[tuple[int, int]], data: bytes) -> None:
        """Other bytes in the place of those that lie there, as many as they are."""
        for at, length in where:
            os.pwrite(self._fd, data[:length], at)
            data = data[length:]

    def leave(self) -> None:
        """Gives the descriptor back; the file stays, unless no attempt in it is open any more."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
            if not self.entries:
                self.path.unlink(missing_ok=True)

    def _write(self, entry: Entry, kind: Kind, data: bytes | bytearray | memoryview = b"") -> int:
        """Appends a record at the cost of the room that is reserved for its attempt."""
        size = frames.SIZE + len(data)
        spent = min(entry.left, size)
        if spent < size and self._promised > entry.left:
            self._grow(self._end + self._promised - spent + size, _STEP)  # what is reserved for others stays theirs
        at = self._append(kind, entry.number, data)
        entry.left -= spent
        self._promised -= spent
        return at

    def _append(self, kind: Kind, number: int, data: bytes | bytearray | memoryview) -> int:
        """Where the data lies. A record that could not be written whole is overwritten by the next one."""
        if self._is_left:
            # What stands beyond a record that a power cut took must never follow one of ours.
            os.ftruncate(self._fd, self._end)
            self._room, self._is_left = self._end, False
        start = frames.header(self._salt, kind, number, len(data))
        at = self._end
        done = os.pwritev(self._fd, [start, data], at) if len(data) else os.pwrite(self._fd, start, at)
        whole = frames.SIZE + len(data)
        try:
            while done < whole:
                # A short write is followed by another, which tells why the first one stopped.
                rest = memoryview(start + bytes(data))[done:]
                done += os.pwrite(self._fd, rest, at + done)
        except OSError:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, bytes(done), at)  # else a next one that is cut would end in bytes of this one
            raise
        self._end = at + whole
        self._room = max(self._room, self._end)
        return at + frames.SIZE


def _has_plenty(fd: int, spare: int) -> bool:
    disk = os.fstatvfs(fd)
    return disk.f_bavail * disk.f_frsize > _PLENTY * spare
