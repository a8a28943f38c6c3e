"""Large files past the page cache: what is synced at once and not read again soon need not lie in memory besides.

Filling the kernel's pages with a picture, one by one, costs more than all that is done to it before; a direct write
hands the disk one large piece. Where a file system or a system has no such thing, files are written as ever.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from typing import Final

LARGE: Final = 256 * 1024
"""Bytes from which on a file goes past the page cache; below, waiting for the disk a second time costs more."""

PIECE: Final = 2 * 1024 * 1024
BLOCK: Final = 4096
"""What offsets, lengths and places in memory of direct reads and writes are multiples of."""

_SMALL: Final = 64 * 1024
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
    if len(view) >= LARGE and _made_direct(fd, True):
        with _Buffer() as buffer:
            while len(view) >= BLOCK and len(buffer) == PIECE:
                size = min(len(view), PIECE) // BLOCK * BLOCK
                buffer[:size] = view[:size]
                done = _directly(os.write, fd, buffer[:size])
                if done is None:
                    break
                view = view[done:]
        _made_direct(fd, False)
    while len(view):
        view = view[os.write(fd, view) :]


def copy(reading: int, fd: int, seen: Callable[[memoryview], object] | None = None) -> None:
    """Copies a file, as long as it is now, to a new one. seen: is shown each piece. Raises OSError."""
    left = os.fstat(reading).st_size
    with _Buffer() as buffer:
        is_large = left >= LARGE and len(buffer) == PIECE
        reads_direct = is_large and _made_direct(reading, True)
        writes_direct = is_large and _made_direct(fd, True)
        while left > 0:
            size = _directly(_fill, reading, buffer) if reads_direct else _fill(reading, buffer)
            if size is None:
                reads_direct = False
                _made_direct(reading, False)
                continue
            if not size:
                break
            rest = buffer[: min(size, left)]
            left -= len(rest)
            if seen is not None:
                seen(rest)
            if writes_direct:
                done = _directly(os.write, fd, rest[: len(rest) // BLOCK * BLOCK]) if len(rest) >= BLOCK else 0
                rest = rest[done or 0 :]
                # The end of a file fills no block, and where a short write stopped no block begins.
                writes_direct = not len(rest)
                if not writes_direct:
                    _made_direct(fd, False)
            while len(rest):
                rest = rest[os.write(fd, rest) :]
    _made_direct(reading, False)
    _made_direct(fd, False)


def _fill(fd: int, buffer: memoryview) -> int:
    return os.readv(fd, [buffer])


def _directly(call: Callable[[int, memoryview], int], fd: int, view: memoryview) -> int | None:
    """What a direct read or write gave; None where that cannot be done here."""
    try:
        return call(fd, view)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return None


def _made_direct(fd: int, wanted: bool) -> bool:
    """Whether an open file could be told to go past the page cache from here on, or not to."""
    if not _DIRECT:
        return False
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    if bool(flags & _DIRECT) == wanted:
        return True
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, flags ^ _DIRECT)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True


class _Buffer:
    """`PIECE` bytes that begin where a page of memory does; a small place anywhere when there is no such memory."""

    __slots__ = ("_memory", "_view")

    def __enter__(self) -> memoryview:
        try:
            self._memory: mmap.mmap | None = _FREE.pop()
        except IndexError:
            try:
                self._memory = mmap.mmap(-1, PIECE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            except OSError:
                self._memory = None
        self._view = memoryview(bytearray(_SMALL) if self._memory is None else self._memory)
        return self._view

    def __exit__(self, *_: object) -> None:
        if self._memory is not None:
            _FREE.append(self._memory)
