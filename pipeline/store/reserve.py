"""Disk space taken for an answer before it is asked for, and told apart from the answer afterwards."""

import errno
import os
from typing import Final

_NO_RESERVE: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
_TAIL: Final = 64 * 1024


def reserve_space(fd: int, size: int) -> None:
    """Takes disk space for *size* bytes; where the file system cannot do that, nothing is taken. Raises OSError."""
    if size <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(fd, 0, size)
    except OSError as error:
        if error.errno not in _NO_RESERVE:
            raise


def length_without_reserve(fd: int) -> int:
    """Where the body ends: what was reserved and never written is zeros, and no answer ends with a zero byte."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - _TAIL)
        piece = os.pread(fd, end - start, start).rstrip(b"\0")
        if piece:
            return start + len(piece)
        end = start
    return 0
