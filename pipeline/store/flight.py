"""One attempt's flight recorder: told how far the POST got, it hands every byte to the kernel at once."""

import contextlib
import errno
import json
import os
import threading
from pathlib import Path
from typing import Final, Self

from pipeline.domain.errors import MachineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.domain.temporary import temporary_name
from pipeline.store import durable, headers
from pipeline.store.blotting import blot
from pipeline.store.leavings import files_of
from pipeline.store.reserve import length_without_reserve, reserve_space

_PRIVATE: Final = 0o600
_LARGEST_BODY: Final = 1024 * 1024 * 1024


class SpoolFlight:
    """Implements ports.Flight for one attempt. Not for use by two threads at once.

    A body is written through to its file piece by piece and is read back from there. When the disk fills up in
    mid-body it moves to memory, up to *memory* bytes, so that a picture that was paid for is not thrown away; `finish`
    then tells.
    """

    def __init__(
        self,
        *,
        folder: Path,
        quarantine: Path,
        attempt_id: AttemptId,
        memory: int,
        keep_headers: frozenset[str],
        secrets: tuple[Secret, ...] = (),
    ) -> None:
        self.attempt_id = attempt_id
        self._folder = folder
        self._quarantine = quarantine
        self._memory = memory
        self._keep_headers = keep_headers
        self._secrets = secrets
        self._pieces: list[bytes] | None = None
        self._size = 0
        self._fd = -1
        self._trouble: OSError | None = None
        self._closing = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the descriptor back; the files stay."""
        with self._closing:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def prepare(self, reserve: int, intent: bytes = b"") -> None:
        """Makes the file with room for *reserve* bytes, and notes the *intent* beside it.

        Raises DiskFull, MachineError; then nothing is left behind.
        """
        with durable.told(f"{self._path('part')}: cannot reserve room for an answer"), self._inside() as inside:
            failpoint("spool.reserve")
            self._fd = durable.create(self._name("part"), inside=inside, mode=_PRIVATE, read=True)
            try:
                reserve_space(self._fd, reserve)
                if intent:
                    self._note(intent, inside)
            except OSError:
                self.close()
                durable.discard(self._name("part"), inside=inside)
                durable.discard(self._name("intent"), inside=inside)
                raise

    def _note(self, intent: bytes, inside: int) -> None:
        # Not synced: it is read only when the ledger, whose `sent` row is, was lost; a killed process loses no page.
        failpoint("spool.intent")
        fd = durable.create(self._name("intent"), inside=inside, mode=_PRIVATE)
        try:
            durable.write_all(fd, intent)
        finally:
            os.close(fd)

    @property
    def trouble(self) -> MachineError | None:
        """A write that failed although the body was received: nothing new may be sent. None when all went well."""
        return (
            durable.fault(f"{self._path('part')}: an answer was hard to keep", self._trouble) if self._trouble else None
        )

    def sent(self) -> None:
        """Marks that the first byte is about to leave. Not synced: it serves the same boot only."""
        with durable.told(f"{self._path('sent')}: cannot mark a request as sent"), self._inside() as inside:
            failpoint("spool.sent")
            os.close(durable.create(self._name("sent"), inside=inside, mode=_PRIVATE))

    def head(self, head: Head) -> None:
        """Writes status and allow-listed headers."""
        data = headers.to_bytes(headers.kept(head, self._keep_headers))
        try:
            failpoint("spool.head")
            with self._inside() as inside:
                fd = os.open(
                    self._name("head"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _PRIVATE, dir_fd=inside
                )
                with os.fdopen(fd, "wb", buffering=0) as file:
                    file.write(data)
        except OSError as error:
            # The body matters more than its head: go on receiving, `finish` tells.
            self._move_to_memory(error)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Takes a piece of the body. Raises DiskFull when it fits neither the disk nor memory any more."""
        if self._trouble is None:
            try:
                failpoint("spool.write")
                durable.write_all(self._fd, chunk)
            except OSError as error:
                self._move_to_memory(error)
        if self._trouble is not None:
            if self._pieces is None or self._size + len(chunk) > self._memory:
                self._pieces = None
                raise durable.fault(f"{self._path('part')}: an answer cannot be kept", self._trouble)
            self._pieces.append(bytes(chunk))
        self._size += len(chunk)

    def _move_to_memory(self, trouble: OSError) -> None:
        """The disk cannot be trusted with the rest: what came so far is read back, if memory may hold it."""
        self._trouble = trouble
        if self._pieces is None and self._fd >= 0 and self._size <= self._memory:
            with contextlib.suppress(OSError):
                self._pieces = [durable.read_back(self._fd, self._size)]

    def finish(self) -> bytes:
        """The whole body, durable from here on: cut to its length, synced, renamed to ``.body``, folder synced.

        Idempotent, also for a reopened recorder (whose trailing zeros are the reserve's, never the body's). Blocks.
        Raises DiskFull or MachineError when the body cannot be made durable; it may still be had from `fragment`, and
        the room its file took is free again for the pictures in it. Raises MachineError when there is no body.
        """
        with durable.told(f"{self._path('body')}: an answer cannot be kept"), self._inside() as inside:
            if self._exists("body"):
                durable.sync_folder(inside)  # who gave it that name may have died before this
                return self._read("body")
            body = self.fragment()
            try:
                self._persist(inside, body)
            except OSError as error:
                self._give_room(error, body)
                raise
            failpoint("spool.finished")
            return body

    def _persist(self, inside: int, body: bytes) -> None:
        if self._trouble is not None:
            self._anew(inside, body)
        else:
            try:
                self._sync_part(inside)
            except OSError as error:
                if error.errno != errno.EIO or not body:
                    raise
                self._anew(inside, body)
        failpoint("spool.rename")
        os.rename(self._name("part"), self._name("body"), src_dir_fd=inside, dst_dir_fd=inside)
        failpoint("spool.renamed")
        durable.sync_folder(inside)

    def _sync_part(self, inside: int) -> None:
        if self._fd < 0:
            self._fd = os.open(
                self._name("part"), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=inside
            )
            self._size = length_without_reserve(self._fd)
        os.ftruncate(self._fd, self._size)
        failpoint("spool.sync")
        if self._exists("head"):
            _sync_file(self._name("head"), inside=inside)
        durable.sync(self._fd)
        self.close()

    def _anew(self, inside: int, body: bytes) -> None:
        """A new file from memory: a descriptor that failed once may call the next sync a success."""
        if len(body) < self._size:
            raise self._trouble or OSError(errno.EIO, "the body is no longer in memory")
        self._pieces = [body]
        self.close()
        durable.discard(self._name("part"), inside=inside)
        durable.write_whole(self._name("part"), body, inside=inside, mode=_PRIVATE)

    def _give_room(self, error: OSError, body: bytes) -> None:
        if error.errno in durable.NO_ROOM and body:
            self._pieces = [body]
            self.close()
            with contextlib.suppress(OSError):
                os.truncate(self._path("part"), 0)

    def fragment(self) -> bytes:
        """What has arrived so far, whole or not; empty when nothing has. Raises MachineError."""
        if self._pieces is not None:
            return self._held()
        with durable.told(f"{self._path('part')}: cannot be read"):
            if self._fd >= 0:
                return durable.read_back(self._fd, self._size)
            for kind in ("body", "part"):
                if self._exists(kind):
                    return self._read(kind)
        return b""

    def arrived(self) -> int:
        """Bytes that have arrived, the reserve not counted."""
        if self._fd >= 0 or self._pieces is not None:
            return self._size
        with durable.told(f"{self._path('part')}: cannot be read"):
            if not self._exists("part"):
                return 0
            with os.fdopen(durable.open_to_read(self._path("part")), "rb", buffering=0) as file:
                return length_without_reserve(file.fileno())

    def keep_picture(self, number: int, data: bytes) -> None:
        """Keeps a fetched url result durably beside its answer. Idempotent. Raises DiskFull, MachineError."""
        part, name = temporary_name(), self._name(f"{number}.bin")
        with durable.told(f"{self._folder / name}: a fetched picture cannot be kept"), self._inside() as inside:
            failpoint("spool.picture")
            durable.write_whole(part, data, inside=inside, mode=_PRIVATE)
            os.rename(part, name, src_dir_fd=inside, dst_dir_fd=inside)
            durable.sync_folder(inside)

    def picture(self, number: int) -> bytes | None:
        """A fetched url result kept before; None when there is none. Raises MachineError."""
        if not self._exists(f"{number}.bin"):
            return None
        with durable.told(f"{self._path(f'{number}.bin')}: cannot be read"):
            return durable.read_regular(self._path(f"{number}.bin"), at_most=_LARGEST_BODY)

    def discard(self) -> None:
        """Removes every file of this attempt; marker and intent go last: while both are there, something may be owed.

        Call it only when the ledger has the settlement, or before the intent. Raises MachineError.
        """
        self.close()
        with durable.told(f"{self._folder}: cannot remove the files of {self.attempt_id}"), self._inside() as inside:
            failpoint("spool.discard")
            for name in files_of(self._folder, self.attempt_id):
                os.unlink(name, dir_fd=inside)
                failpoint("spool.discarded")
        self._pieces = None

    def quarantine(self, reason: str) -> None:
        """Moves what arrived to the quarantine with a ``.why`` file: paid for, unusable, never deleted unasked.

        Durable when it returns: it is the evidence of what was paid for. The reserve goes, and so does every key that
        the host said back. Raises DiskFull, MachineError.
        """
        arrived = self.arrived()
        self.close()
        text = json.dumps({"attempt": self.attempt_id, "reason": reason[:2000]}).encode()
        why = temporary_name()
        with (
            durable.told(f"{self._quarantine}: cannot take {self.attempt_id}"),
            self._inside() as inside,
            durable.folder(self._quarantine, follow=True) as outside,
        ):
            durable.write_whole(why, text, inside=outside, mode=_PRIVATE)
            os.rename(why, self._name("why"), src_dir_fd=outside, dst_dir_fd=outside)
            if self._exists("part"):
                os.truncate(self._path("part"), arrived)
            for kind in filter(self._exists, ("head", "body", "part")):
                blot(self._path(kind), self._secrets)
            for name in files_of(self._folder, self.attempt_id):
                _sync_file(name, inside=inside)
                os.rename(name, name, src_dir_fd=inside, dst_dir_fd=outside)
            durable.sync_folder(outside)
            durable.sync_folder(inside)

    def _inside(self) -> contextlib.AbstractContextManager[int]:
        return durable.folder(self._folder, follow=True)

    def _name(self, kind: str) -> str:
        return f"{self.attempt_id}.{kind}"

    def _path(self, kind: str) -> Path:
        return self._folder / self._name(kind)

    def _exists(self, kind: str) -> bool:
        return os.path.lexists(self._path(kind))

    def _held(self) -> bytes:
        pieces = self._pieces or []
        if len(pieces) > 1:
            self._pieces = pieces = [b"".join(pieces)]
        return pieces[0] if pieces else b""

    def _read(self, kind: str) -> bytes:
        data = durable.read_regular(self._path(kind), at_most=_LARGEST_BODY)
        return data if kind == "body" else data.rstrip(b"\0")


def _sync_file(name: str, *, inside: int) -> None:
    fd = durable.open_to_read(name, inside=inside)
    try:
        durable.sync(fd)
    finally:
        os.close(fd)
