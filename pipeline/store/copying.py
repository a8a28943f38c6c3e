"""Copies of stored images: sharing their blocks where the file system can, checked against their digest."""

import errno
import fcntl
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest
from pipeline.store import direct, durable
from pipeline.store.images import DamagedImage
from pipeline.store.stamp import stamped, unstamped

_FICLONE: Final = 0x40049409
"""ioctl of Linux (linux/fs.h): the new file shares the blocks of the old one until either is written to."""

_CANNOT_CLONE: Final = frozenset({
    errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.EPERM, errno.ENOSYS, errno.ETXTBSY, errno.EBADF,
})  # fmt: skip
_WAY_OUT: Final = "`pipeline verify --repair` puts it back from free sources"
_PIECE: Final = 1024 * 1024
_STAMPED_AT_MOST: Final = 256 * _PIECE
"""A file longer than this is no picture of ours with a stamp; it is hashed piece by piece."""


def copy_into(
    name: str,
    source: Path,
    digest: Digest,
    *,
    inside: int,
    is_known: Callable[[os.stat_result], bool] = lambda status: False,
) -> None:
    """Makes a new, synced file *name* with the bytes of *source*, which must have that digest.

    What is hashed is the copy, after it was made, so that nothing damaged ever gets a name in the output tree.
    is_known: whether a source with such a status was just written by us from hashed bytes; it is copied as it is then.
    Raises DamagedImage when the source is gone or its bytes are not those of the digest, OSError otherwise; the caller
    removes what is left.
    """
    try:
        reading = durable.open_to_read(source)
    except OSError as error:
        raise DamagedImage(f"{source}: this image cannot be read: {error.strerror} ({_WAY_OUT})") from error
    try:
        fd = _new(name, inside=inside)
        try:
            running = None if is_known(os.fstat(reading)) else hashlib.sha256()
            if not _shared(reading, fd):
                direct.copy(reading, fd, running.update if running else None)
            elif running:
                _hashed(fd, running)
            if running and running.hexdigest() != digest:
                raise DamagedImage(
                    f"{source}: this image is damaged, its bytes are not those its name says ({_WAY_OUT})"
                )
            durable.sync(fd)
        finally:
            os.close(fd)
    finally:
        os.close(reading)


def stamp_into(name: str, source: Path, digest: Digest, *, inside: int) -> None:
    """As `copy_into`, with the XMP stamp in the copy (where its format has a place for one)."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise DamagedImage(f"{source}: this image cannot be read: {error.strerror} ({_WAY_OUT})") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedImage(f"{source}: this image is damaged, its bytes are not those its name says ({_WAY_OUT})")
    fd = _new(name, inside=inside)
    try:
        direct.write(fd, stamped(data))
        durable.sync(fd)
    finally:
        os.close(fd)


def _new(name: str, *, inside: int) -> int:
    """A new file; what people use gets the rights their umask gives."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=inside)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A file of the output tree. digest: of the picture in it, its stamp apart; can_stamp: it has none and could."""

    digest: Digest
    is_stamped: bool = False
    can_stamp: bool = False


def look_inside(name: str, *, inside: int) -> Seen:
    """What a regular file holds, read whole. Raises OSError."""
    fd = durable.open_to_read(name, inside=inside)
    try:
        if os.fstat(fd).st_size > _STAMPED_AT_MOST:
            return Seen(digest=Digest(_hashed(fd, hashlib.sha256()).hexdigest()))
        data = b"".join(iter(lambda: os.read(fd, _PIECE), b""))
    finally:
        os.close(fd)
    bare = unstamped(data)
    is_stamped = len(bare) != len(data)
    can_stamp = not is_stamped and len(stamped(data)) != len(data)
    return Seen(digest=Digest(hashlib.sha256(bare).hexdigest()), is_stamped=is_stamped, can_stamp=can_stamp)


def digest_inside(name: str, *, inside: int) -> Digest:
    """SHA-256 of the picture in a regular file, a stamp of ours apart. Raises OSError."""
    return look_inside(name, inside=inside).digest


def _shared(reading: int, fd: int) -> bool:
    """Whether the new file shares the blocks of the old one now."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        fcntl.ioctl(fd, _FICLONE, reading)
    except OSError as error:
        if error.errno not in _CANNOT_CLONE:
            raise
        return False
    return True


def _hashed(fd: int, running: "hashlib._Hash") -> "hashlib._Hash":
    os.lseek(fd, 0, os.SEEK_SET)
    while piece := os.read(fd, _PIECE):
        running.update(piece)
    return running
