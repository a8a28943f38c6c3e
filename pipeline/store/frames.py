"""The records of a spool file: what each says and where it lies. A file is appended to; no record is written over.

A file begins with its name and a number drawn for it (16 bytes); records follow until the first that is none: zeros
that were reserved, the end, or what a power cut tore. A record is a header (16 bytes, little endian) and its data.
The header's check starts from the file's number, so that nobody who does not know it can send a record in a body.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_START: Final = struct.Struct("<8sII")
_NAME: Final = b"flights1"
_HEADER: Final = struct.Struct("<2sHIII")
_MAGIC: Final = b"PF"
SIZE: Final = _HEADER.size
"""Bytes of a header, and of a file's beginning."""


class Kind(IntEnum):
    """What a record says of its attempt."""

    OPENED = 1
    """Data: its id, a line feed, and the intent."""
    SENT = 2
    """The first byte is about to leave."""
    HEAD = 3
    """Data: status and headers, as JSON."""
    BODY = 4
    """Data: the next piece of the body."""
    WHOLE = 5
    """The body has ended; what stands before is synced right after."""
    CLOSED = 6
    """It is settled, or nothing of it ever mattered."""


_KINDS: Final = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Record:
    """number: of the attempt in its file. at, length: where its data lies, in bytes."""

    kind: Kind
    number: int
    at: int
    length: int


def beginning() -> tuple[bytes, int]:
    """The first bytes of a new file and the number they hold."""
    salt = secrets.randbits(32)
    return _START.pack(_NAME, salt, zlib.crc32(_NAME, salt)), salt


def salt_of(start: bytes) -> int | None:
    """The number in a file's first bytes; None for a file of another kind, or one that is torn."""
    if len(start) < SIZE:
        return None
    name, salt, check = _START.unpack_from(start)
    return salt if name == _NAME and check == zlib.crc32(_NAME, salt) else None


def header(salt: int, kind: Kind, number: int, length: int) -> bytes:
    """What goes before the data of a record."""
    return _HEADER.pack(_MAGIC, kind, number, length, _check(salt, kind, number, length))


def walk(fd: int, salt: int, size: int) -> Iterator[Record]:
    """The records of a file of *size* bytes, up to the first that is none. Raises OSError.

    The last one may be longer than what is there of it: a process was killed in the middle of a write.
    """
    at = SIZE
    while at + SIZE <= size:
        magic, kind, number, length, check = _HEADER.unpack(_exactly(fd, at))
        if magic != _MAGIC or kind not in _KINDS or check != _check(salt, kind, number, length):
            return
        at += SIZE
        yield Record(Kind(kind), number, at, length)
        at += length


def _exactly(fd: int, at: int) -> bytes:
    found = os.pread(fd, SIZE, at)
    return found.ljust(SIZE, b"\0")


def _check(salt: int, kind: int, number: int, length: int) -> int:
    return zlib.crc32(struct.pack("<HII", kind, number, length), salt)
