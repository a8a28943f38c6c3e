"""One attempt's flight recorder: told how far the POST got, it hands every byte to the kernel at once."""

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Self

from pipeline.domain.errors import MachineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.record import AttemptId
from pipeline.domain.request import Head
from pipeline.domain.secret import Secret
from pipeline.domain.temporary import temporary_name
from pipeline.store import durable, headers
from pipeline.store.blotting import blotted
from pipeline.store.entries import Entry
from pipeline.store.leavings import files_of
from pipeline.store.segment import Segment

_PRIVATE: Final = 0o600
_LARGEST_BODY: Final = 1024 * 1024 * 1024
_KEPT: Final = 128 * 1024
"""Bytes of a body that are kept in memory besides: what is small need not be read back."""


class SpoolFlight:
    """Implements ports.Flight for one attempt. Not for use by two threads at once.

    A body is written through to the spool piece by piece and is read back from there. When the disk fills up in
    mid-body it moves to memory, up to *memory* bytes, so that a picture that was paid for is not thrown away; `finish`
    then tells. segment, entry: where its records are; None for an attempt of which there are files alone, or nothing.
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
        segment: Segment | None = None,
        entry: Entry | None = None,
        settled: Callable[[Segment], None] = lambda segment: None,
        is_new: bool = False,
    ) -> None:
        self.attempt_id = attempt_id
        self._folder = folder
        self._quarantine = quarantine
        self._memory = memory
        self._keep_headers = keep_headers
        self._secrets = secrets
        self._segment = segment
        self._entry = entry
        self._settled = settled
        self._pieces: list[bytes] | None = [] if is_new else None
        self._size = 0
        self._has_files = not is_new
        self._trouble: OSError | None = None
        self._is_clean = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be given back: what was written stays until `discard` or `quarantine`."""

    @property
    def trouble(self) -> MachineError | None:
        """A write that failed although the body was received: nothing new may be sent. None when all went well."""
        return durable.fault(f"{self}: an answer was hard to keep", self._trouble) if self._trouble else None

    @property
    def is_light(self) -> bool:
        """Whether `discard` is one short write: no files of its own and no large one to remove, no large body to look
        through."""
        if self._has_files or (self._segment is not None and self._segment.is_slow_to_go):
            return False
        return self._pieces is not None or self._is_clean or not self._secrets

    def sent(self) -> None:
        """Marks that the first byte is about to leave. Not synced: it serves the same boot only."""
        with durable.told(self, "cannot mark a request as sent"):
            failpoint("spool.sent")
            segment, entry = self._place()
            segment.sent(entry)

    def head(self, head: Head) -> None:
        """Writes status and allow-listed headers."""
        data = blotted(headers.to_bytes(headers.kept(head, self._keep_headers)), self._secrets)
        try:
            failpoint("spool.head")
            segment, entry = self._place()
            segment.head(entry, data)
        except OSError as error:
            # The body matters more than its head: go on receiving, `finish` tells.
            self._move_to_memory(error)

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Takes a piece of the body. Raises DiskFull when it fits neither the disk nor memory any more."""
        if self._trouble is None:
            try:
                failpoint("spool.write")
                segment, entry = self._place()
                segment.body(entry, chunk)
            except OSError as error:
                self._move_to_memory(error)
        most = _KEPT if self._trouble is None else self._memory
        if self._pieces is not None and self._size + len(chunk) <= most:
            self._pieces.append(bytes(chunk))
        else:
            self._pieces = None
            if self._trouble is not None:
                raise durable.fault(f"{self}: an answer cannot be kept", self._trouble)
        self._size += len(chunk)
        self._is_clean = False

    def _move_to_memory(self, trouble: OSError) -> None:
        """The disk cannot be trusted with the rest: what came so far is read back, if memory may hold it."""
        self._trouble = trouble
        if self._pieces is None and self._entry and self._segment and self._size <= self._memory:
            with contextlib.suppress(OSError):
                self._pieces = [self._segment.read(self._entry.body)]

    def has_come(self) -> None:
        """The body came whole: room that it did not need is free for others."""
        if self._segment is not None and self._entry is not None:
            self._segment.has_come(self._entry)

    def finish(self) -> bytes:
        """The whole body, durable from here on: said to be whole, and synced. Idempotent. Blocks.

        A body that the spool could not take is written to a file of its own, ``.body``. Raises DiskFull or MachineError
        when the body cannot be made durable; it may still be had from `fragment`, and the room it took is free again
        for the pictures in it. Raises MachineError when there is no body.
        """
        with durable.told(self, "an answer cannot be kept"), self._inside() as inside:
            if self._has_files and self._exists("body"):
                durable.sync_folder(inside)  # who gave it that name may have died before this
                return self._read_body()
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
            return
        try:
            segment, entry = self._place()
            if entry.size < len(body):  # the records gave their room back when it could not be sealed before
                self._anew(inside, body)
                return
            segment.seal(entry)
        except OSError as error:
            if error.errno != errno.EIO or not body:
                raise
            self._anew(inside, body)

    def _anew(self, inside: int, body: bytes) -> None:
        """A file of its own from memory: a descriptor that failed once may call the next sync a success."""
        if len(body) < self._size:
            raise self._trouble or OSError(errno.EIO, "the body is no longer in memory")
        self._pieces, self._has_files = [body], True
        try:
            self._write_file("body", body, inside)
        except OSError as error:
            if error.errno not in durable.NO_ROOM:
                raise
            self._give_room(error, body)  # what the records took of it may be what is wanting
            self._write_file("body", body, inside)
        durable.sync_folder(inside)

    def _write_file(self, kind: str, data: bytes, inside: int) -> None:
        """A file of this attempt's, synced before it has its name; its folder is the caller's to sync."""
        part = temporary_name()
        durable.write_whole(part, data, inside=inside, mode=_PRIVATE)
        os.rename(part, self._name(kind), src_dir_fd=inside, dst_dir_fd=inside)

    def _give_room(self, error: OSError, body: bytes) -> None:
        if error.errno in durable.NO_ROOM and body:
            self._pieces = [body]
            if self._segment and self._entry:
                self._segment.give_back(self._entry)

    def fragment(self) -> bytes:
        """What has arrived so far, whole or not; empty when nothing has. Raises MachineError."""
        if self._pieces is not None:
            if len(self._pieces) > 1:
                self._pieces = [b"".join(self._pieces)]
            return self._pieces[0] if self._pieces else b""
        with durable.told(self, "cannot be read"):
            if self._has_files and self._exists("body"):
                return self._read_body()
            body = self._segment.read(self._entry.body) if self._segment and self._entry else b""
            self._is_clean = blotted(body, self._secrets) == body
            return body

    def keep_picture(self, number: int, data: bytes) -> None:
        """Keeps a fetched url result durably beside its answer. Idempotent. Raises DiskFull, MachineError."""
        self._has_files = True
        kind = f"{number}.bin"
        with durable.told(self._path(kind), "a fetched picture cannot be kept"), self._inside() as inside:
            failpoint("spool.picture")
            self._write_file(kind, data, inside)
            durable.sync_folder(inside)

    def picture(self, number: int) -> bytes | None:
        """A fetched url result kept before; None when there is none. Raises MachineError."""
        if not self._exists(f"{number}.bin"):
            return None
        with durable.told(self._path(f"{number}.bin"), "cannot be read"):
            return durable.read_regular(self._path(f"{number}.bin"), at_most=_LARGEST_BODY)

    def discard(self) -> None:
        """Closes this attempt; files of its own go first, for while its records stand something may be owed.

        Call it only when the ledger has the settlement, or before the intent. Raises MachineError.
        """
        with durable.told(self._folder, f"cannot remove what came of {self.attempt_id}"):
            failpoint("spool.discard")
            if self._has_files:
                with self._inside() as inside:
                    for name in files_of(self._folder, self.attempt_id):
                        os.unlink(name, dir_fd=inside)
            failpoint("spool.discarded")
            self._close()

    def _close(self) -> None:
        segment, entry = self._segment, self._entry
        if segment is not None and entry is not None:
            if self._secrets and not self._is_clean:
                self._blot(segment, entry)
            segment.close(entry)
            self._settled(segment)
        self._pieces = self._segment = self._entry = None

    def _blot(self, segment: Segment, entry: Entry) -> None:
        """The records of this attempt may lie there for long: every key that the host said back goes from its body."""
        is_there = self._trouble is None and self._pieces is not None
        body = self.fragment() if is_there else segment.read(entry.body)
        clean = blotted(body, self._secrets)
        if clean != body:
            segment.cover(entry.body, clean)

    def quarantine(self, reason: str) -> None:
        """Moves what arrived to the quarantine with a ``.why`` file: paid for, unusable, never deleted unasked.

        Durable when it returns: it is the evidence of what was paid for. Every key that the host said back goes.
        Raises DiskFull, MachineError.
        """
        why = json.dumps({"attempt": self.attempt_id, "reason": reason[:2000]}).encode()
        with (
            durable.told(self._quarantine, f"cannot take {self.attempt_id}"),
            self._inside() as inside,
            durable.folder(self._quarantine, follow=True) as outside,
        ):
            for kind, data in (("why", why), *self._evidence()):
                self._write_file(kind, data, outside)
            for name in files_of(self._folder, self.attempt_id):
                if not name.endswith(".body"):
                    os.rename(name, name, src_dir_fd=inside, dst_dir_fd=outside)
            durable.sync_folder(outside)
            for name in files_of(self._folder, self.attempt_id):
                os.unlink(name, dir_fd=inside)
            durable.sync_folder(inside)
            self._close()

    def _evidence(self) -> Iterator[tuple[str, bytes]]:
        """What the records have of the attempt, by the kind of the file that holds it from now on."""
        entry, segment = self._entry, self._segment
        body = self.fragment()
        is_whole = self._exists("body") or (entry is not None and entry.whole)
        if body or is_whole:
            yield "body" if is_whole else "part", blotted(body, self._secrets)
        if segment is not None and entry is not None:
            if entry.head:
                yield "head", segment.read([entry.head])
            if entry.intent[1]:
                yield "intent", segment.read([entry.intent])

    def _place(self) -> tuple[Segment, Entry]:
        """Where its records go. Raises OSError for an attempt that has none."""
        if self._segment is None or self._entry is None:
            raise FileNotFoundError(errno.ENOENT, "nothing came of this attempt")
        return self._segment, self._entry

    def _inside(self) -> contextlib.AbstractContextManager[int]:
        return durable.folder(self._folder, follow=True)

    def __str__(self) -> str:
        """Where it is, for what is said of trouble."""
        return f"{self._folder}: attempt {self.attempt_id}"

    def _name(self, kind: str) -> str:
        return f"{self.attempt_id}.{kind}"

    def _path(self, kind: str) -> Path:
        return self._folder / self._name(kind)

    def _exists(self, kind: str) -> bool:
        return os.path.lexists(self._path(kind))

    def _read_body(self) -> bytes:
        return durable.read_regular(self._path("body"), at_most=_LARGEST_BODY)
