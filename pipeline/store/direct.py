"""Large files past the page cache: what is synced at once and not read again soon need not lie in memory besides.

Filling the kernel's pages with a picture, one by one, costs more than all that is done to it before; a direct write
hands the disk one large piece. Where a file system or a system has no such thing, files are written as ever.
"""

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from typing import Final

LARGE: Final = 256 * 1024
"""Bytes from which on a file goes past the page cache; below, waiting for the disk a second time costs more."""

PIECE: Final = 2 * 1024 * 1024
BLOCK: Final = 4096
"""What offsets, lengths and places in memory of direct reads and writes are multiples of."""

_DIRECT: Final = getattr(os, "O_DIRECT", 0)
_CANNOT: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP})
_FREE: Final[list[mmap.mmap]] = []
"""Buffers nobody uses now, the one used last at the end: the processor's cache still knows it."""

os.register_at_fork(after_in_child=_FREE.clear)


def write(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Writes all of *data* to a new file. A short write is followed by another, which tells why the first one stopped.

    Raises OSError.
    """
    view = memoryview(data).cast("B")
    if len(view) < LARGE:
        _put(fd, view)
        return
    with _buffer() as buffer:
        for start in range(0, len(view), PIECE):
            piece = view[start : start + PIECE]
            buffer[: len(piece)] = piece
            _put(fd, buffer[: len(piece)])


def copy(reading: int, fd: int, seen: Callable[[memoryview], object] | None = None) -> None:
    """Copies a file, as long as it is now, to a new one. seen: is shown each piece. Raises OSError."""
    left = os.fstat(reading).st_size
    with _buffer() as buffer:
        while left > 0 and (size := _take(reading, buffer, left)):
            piece = buffer[: min(size, left)]
            left -= len(piece)
            if seen is not None:
                seen(piece)
            _put(fd, piece)


def _put(fd: int, view: memoryview) -> None:
    """Writes a piece; of a large one, which lies where a page begins, whole blocks directly where that can be done."""
    if len(view) >= LARGE:
        blocks = view[: len(view) // BLOCK * BLOCK]
        view = view[_directly(fd, lambda: os.write(fd, blocks)) or 0 :]
    while len(view):
        view = view[os.write(fd, view) :]


def _take(fd: int, buffer: memoryview, left: int) -> int:
    """Reads the next piece of a file of which so much is left."""
    done = _directly(fd, lambda: os.readv(fd, [buffer])) if left >= LARGE else None
    return os.readv(fd, [buffer]) if done is None else done


def _directly(fd: int, call: Callable[[], int]) -> int | None:
    """What a read or write past the page cache gave; None where that cannot be done here. The file is as ever after."""
    if not _DIRECT:
        return None
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | _DIRECT)
        return call()
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return None
    finally:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags)


@contextlib.contextmanager
def _buffer() -> Iterator[memoryview]:
    """`PIECE` bytes that begin where a page of memory does."""
    try:
        memory = _FREE.pop()
    except IndexError:
        memory = mmap.mmap(-1, PIECE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        yield memoryview(memory)
    finally:
        _FREE.append(memory)
