"""Disk space taken for an answer before it is asked for."""

import errno
import os
from typing import Final

_NO_RESERVE: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})


def reserve_space(fd: int, start: int, size: int) -> None:
    """Takes disk space for *size* bytes from *start* on, which read as zeros; where the file system cannot do that,
    nothing is taken. Raises OSError.
    """
    if size <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(fd, start, size)
    except OSError as error:
        if error.errno not in _NO_RESERVE:
            raise
