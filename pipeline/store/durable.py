"""Files that are whole or not there, through power cuts and full disks: the system calls and their order."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.domain.errors import DiskFull, MachineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.temporary import is_temporary
from pipeline.store import direct

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A full disk, a user's quota, a file size limit: to us the same."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FOLDER_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP})


@contextlib.contextmanager
def told(where: object, what: str) -> Iterator[None]:
    """Turns an OSError into one line, where and what: DiskFull when there is no room, MachineError otherwise."""
    try:
        yield
    except OSError as error:
        raise fault(f"{where}: {what}", error) from error


def fault(what: str, error: OSError) -> MachineError:
    """The error to raise for *error*, met while *what*."""
    reason = error.strerror or str(error)
    if error.errno in NO_ROOM:
        return DiskFull(f"{what}: {reason} (make room on this disk and run again; nothing that arrived is asked again)")
    return MachineError(f"{what}: {reason}")


@contextlib.contextmanager
def folder(path: Path | str, *, inside: int | None = None, follow: bool = False) -> Iterator[int]:
    """A descriptor of the folder *path*; links are followed only on request (the root a person chose)."""
    flags = _FOLDER if follow else _FOLDER | os.O_NOFOLLOW
    fd = os.open(path, flags, dir_fd=inside)
    try:
        yield fd
    finally:
        os.close(fd)


def create(name: str, *, inside: int, mode: int, read: bool = False) -> int:
    """A descriptor of a file that was not there before; never through a link. Raises OSError.

    read: it can be read from too.
    """
    access = os.O_RDWR if read else os.O_WRONLY
    return os.open(name, access | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=inside)


def read_into(fd: int, view: memoryview, at: int) -> None:
    """Fills *view* from an open file, from *at* on. Raises OSError, also where the file ends before."""
    while len(view):
        done = os.preadv(fd, [view], at)
        if not done:
            raise OSError(errno.EIO, "shorter than what was written to it")
        view, at = view[done:], at + done


def open_to_read(name: str | Path, *, inside: int | None = None) -> int:
    """A descriptor of a regular file, never through a link, never waiting on a pipe. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=inside)


def sync(fd: int) -> None:
    """Waits until the file is on the medium (on macOS past the drive's cache, which plain fsync leaves out)."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(fd)
    else:
        fcntl.fcntl(fd, full)


def sync_folder(fd: int) -> None:
    """Makes the names in a folder durable. File systems that cannot say so; EIO is never forgiven."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise


class Unsynced:
    """Folders with new names in them that are made durable together: `add` now, `sync` before anything rests on them.

    Of many folders those that come last are synced at once, for each one that waits takes a descriptor. One thread at a
    time.
    """

    MOST: Final = 64
    """Folders that wait at most."""

    def __init__(self) -> None:
        self._fds: dict[tuple[int, int], int] = {}

    def add(self, fd: int) -> None:
        """Remembers a folder by its descriptor, which may be closed afterwards. Raises OSError."""
        status = os.fstat(fd)
        seen = (status.st_dev, status.st_ino)
        if seen in self._fds:
            return
        if len(self._fds) < self.MOST:
            self._fds[seen] = os.dup(fd)
        else:
            sync_folder(fd)

    def sync(self) -> None:
        """Makes the names durable; nothing is remembered afterwards, also where it fails. Raises MachineError."""
        fds, self._fds = self._fds, {}
        try:
            with told("new files", "cannot be made durable"):
                for fd in fds.values():
                    sync_folder(fd)
        finally:
            for fd in fds.values():
                os.close(fd)


def write_whole(name: str, data: bytes | bytearray | memoryview, *, inside: int, mode: int, at: str = "") -> None:
    """Writes and syncs a new file *name*; what a failure leaves behind is removed. Raises OSError.

    at: the failpoint between writing and syncing, if that moment has one.

    After a failed fsync the kernel may have dropped the pages and call the next one a success, so nobody may sync
    that descriptor again: it is closed and its file removed, and the caller starts anew from memory.
    """
    fd = create(name, inside=inside, mode=0o600)
    try:
        try:
            direct.write(fd, data)
            os.fchmod(fd, mode)
            if at:
                failpoint(at)
            sync(fd)
        finally:
            os.close(fd)
    except BaseException:
        discard(name, inside=inside)
        raise


def discard(name: str, *, inside: int) -> None:
    """Removes *name* if it is there; a failure to tidy up never hides why it was necessary."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=inside)


def sweep(fd: int) -> int:
    """Removes temporary files of dead processes in a folder and says how many; call it under the run lock."""
    left = [entry.name for entry in os.scandir(fd) if is_temporary(entry.name)]
    for name in left:
        discard(name, inside=fd)
    return len(left)


def read_regular(path: str | Path, *, at_most: int, inside: int | None = None) -> bytes:
    """The bytes of a regular file. Raises OSError, also for one larger than *at_most* bytes."""
    fd = open_to_read(path, inside=inside)
    with os.fdopen(fd, "rb", buffering=0) as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if status.st_size > at_most:
            raise OSError(errno.EMSGSIZE, f"larger than {at_most} bytes")
        return file.read()
