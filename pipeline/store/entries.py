"""What the records of a spool file say of its attempts, read back after the process that wrote them died."""

import io
import os
from dataclasses import dataclass, field
from typing import Final

from pipeline.domain.record import AttemptId
from pipeline.store import durable, frames
from pipeline.store.frames import Kind
from pipeline.store.leavings import ATTEMPT

_LONGEST_ID: Final = 100


@dataclass(slots=True, kw_only=True)
class Entry:
    """What a file has of one attempt. intent, head, body: where that lies (offset, bytes). left: room still reserved
    for it. size: bytes of body."""

    number: int
    attempt_id: AttemptId
    intent: tuple[int, int]
    sent: bool = False
    head: tuple[int, int] | None = None
    body: list[tuple[int, int]] = field(default_factory=list)
    size: int = 0
    whole: bool = False
    left: int = 0


@dataclass(slots=True, kw_only=True)
class Entries:
    """open: what is there of the attempts that are not closed, by their numbers. end: where the next record belongs.
    numbers: how many were given."""

    open: dict[int, Entry] = field(default_factory=dict)
    end: int = frames.SIZE
    numbers: int = 0


def read_entries(fd: int, salt: int, size: int) -> Entries:
    """What is in a file of *size* bytes whose number is *salt*, up to the first record that is none. Raises OSError."""
    found = Entries()
    for record in frames.walk(fd, salt, size):
        found.end = record.at + record.length
        found.numbers = max(found.numbers, record.number + 1)
        # A piece that was cut off is as long as what is there of it.
        _note(fd, found.open, record, max(0, min(record.length, size - record.at)))
    for entry in found.open.values():
        _trim(fd, entry)
    return found


def read_pieces(fd: int, where: list[tuple[int, int]]) -> bytes:
    """The bytes that lie there (offset, bytes), one after the other. Raises OSError."""
    # Read to where they belong: a large body that is put together from its pieces is copied once more.
    whole = io.BytesIO(bytes(sum(length for _, length in where)))
    with whole.getbuffer() as view:
        done = 0
        for at, length in where:
            durable.read_into(fd, view[done : done + length], at)
            done += length
    return whole.getvalue()


def _note(fd: int, entries: dict[int, Entry], record: frames.Record, length: int) -> None:
    where = (record.at, length)
    entry = entries.get(record.number)
    match record.kind:
        case Kind.OPENED:
            _open(fd, entries, record.number, where)
        case _ if entry is None:
            pass  # a power cut took its beginning
        case Kind.SENT:
            entry.sent = True
        case Kind.HEAD:
            entry.head = where
        case Kind.BODY:
            entry.body.append(where)
            entry.size += length
        case Kind.WHOLE:
            entry.whole = True
        case Kind.CLOSED:
            del entries[record.number]


def _open(fd: int, entries: dict[int, Entry], number: int, where: tuple[int, int]) -> None:
    at, length = where
    name, end, _ = os.pread(fd, min(length, _LONGEST_ID + 1), at).partition(b"\n")
    attempt_id = AttemptId(name.decode("ascii", "replace"))
    if end and ATTEMPT.fullmatch(attempt_id):  # half a name is another attempt's
        intent = (at + len(name) + 1, length - len(name) - 1)
        entries[number] = Entry(number=number, attempt_id=attempt_id, intent=intent)


def _trim(fd: int, entry: Entry) -> None:
    """What a killed process had not written yet is zeros, and no answer ends with a zero byte."""
    while entry.body and not entry.whole:
        at, length = entry.body.pop()
        came = len(read_pieces(fd, [(at, length)]).rstrip(b"\0"))
        entry.size -= length - came
        if came:
            entry.body.append((at, came))
            return
