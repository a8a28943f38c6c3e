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
_CANNOT: Final = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTTY})
_FREE: Final[list[mmap.mmap]] = []
"""Buffers nobody uses now, the one used last at the end: the processor's cache still knows it."""

os.register_at_fork(after_in_child=_FREE.clear)


def write(fd: int, data: bytes | bytearray | memoryview) -> None:
    """Writes all of *data* to a new file. A short write is followed by another, which tells why the first one stopped.

    Raises OSError.
    """
    view = memoryview(data).cast("B")
    if len(view) >= LARGE and _made_direct(fd, True):
        with _buffer() as buffer:
            while len(view) >= BLOCK:
                size = min(len(view), PIECE) // BLOCK * BLOCK
                buffer[:size] = view[:size]
                done = _written(fd, buffer[:size])
                if done is None:
                    break
                view = view[done:]
        _made_direct(fd, False)
    while len(view):
        view = view[os.write(fd, view) :]


def copy(reading: int, fd: int, seen: Callable[[memoryview], object] | None = None) -> None:
    """Copies all of one file to another, which is new. seen: is shown each piece. Raises OSError."""
    left = os.fstat(reading).st_size
    is_large = left >= LARGE
    reads_direct = is_large and _made_direct(reading, True)
    writes_direct = is_large and _made_direct(fd, True)
    with _buffer() as buffer:
        while left > 0:
            size = _read(reading, buffer) if reads_direct else os.readv(reading, [buffer])
            if size is None:
                reads_direct = False
                _made_direct(reading, False)
                size = os.readv(reading, [buffer])
            if not size:
                break
            left -= size
            if seen is not None:
                seen(buffer[:size])
            rest = buffer[:size]
            if writes_direct:
                done = _written(fd, rest[: size // BLOCK * BLOCK]) if size >= BLOCK else 0
                rest = rest[done or 0 :]
                # The end of a file fills no block, and where a short write stopped no block begins.
                writes_direct = not len(rest)
                if not writes_direct:
                    _made_direct(fd, False)
            while len(rest):
                rest = rest[os.write(fd, rest) :]


def _written(fd: int, view: memoryview) -> int | None:
    """How much was written directly; None where that cannot be done here."""
    try:
        return os.write(fd, view)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return None


def _read(fd: int, buffer: memoryview) -> int | None:
    """How much was read directly; None where that cannot be done here."""
    try:
        return os.readv(fd, [buffer])
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return None


def _made_direct(fd: int, wanted: bool) -> bool:
    """Whether an open file goes past the page cache as *wanted* from here on."""
    if not _DIRECT:
        return False
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags | _DIRECT if wanted else flags & ~_DIRECT)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


@contextlib.contextmanager
def _buffer() -> Iterator[memoryview]:
    """`PIECE` bytes that begin where a page of memory does."""
    try:
        buffer = _FREE.pop()
    except IndexError:
        buffer = _new_buffer()
    try:
        with memoryview(buffer) as view:
            yield view
    finally:
        _FREE.append(buffer)


def _new_buffer() -> mmap.mmap:
    buffer = mmap.mmap(-1, PIECE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_DONTFORK"):
        # A disk that reads into it must not meet a copy that a fork made of it.
        buffer.madvise(mmap.MADV_DONTFORK)
    return buffer
