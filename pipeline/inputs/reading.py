"""Reading what a person gave: bounded, regular files only, with a clear line for everything else."""

import os
import stat
from typing import Final

from pipeline.domain.errors import InputFault
from pipeline.inspect import BrokenPicture, inspect
from pipeline.inspect.bounds import MAX_SIDE

_OWN: Final = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"GIF8")
"""Formats whose structure `inspect` judges; of others the decoder reads the header."""


def read_source(source: str, at_most: int) -> bytes:
    """The bytes of a local file.

    Raises InputFault: missing, unreadable, no regular file, empty, larger than *at_most* bytes.
    """
    try:
        fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InputFault(f"{source}: there is no such file (put it there, or correct the path)") from error
    except (OSError, ValueError) as error:
        raise InputFault(f"{source}: cannot be read: {_reason(error)} (correct its permissions or path)") from error
    try:
        _check_file(source, os.fstat(fd), at_most)
        with os.fdopen(fd, "rb", buffering=0, closefd=False) as file:
            data = file.read(at_most)
    except OSError as error:
        raise InputFault(f"{source}: cannot be read: {_reason(error)}") from error
    finally:
        os.close(fd)
    if not data:
        raise InputFault(f"{source}: the file is empty (0 bytes)")
    return data


def _check_file(source: str, status: os.stat_result, at_most: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
        raise InputFault(f"{source}: this is {what} (name a picture)")
    if status.st_size > at_most:
        raise InputFault(f"{source}: {_megabytes(status.st_size)}, at most {_megabytes(at_most)} are read (scale it)")


def check_picture(source: str, data: bytes) -> None:
    """Makes sure that *data* begins as a picture that can be prepared. Raises InputFault."""
    from pipeline.inspect.decode import MAX_DECODED  # noqa: PLC0415 - Pillow takes 40 ms to import

    try:
        inspect(data, max_pixels=MAX_DECODED)
    except BrokenPicture as error:
        if data.startswith(_OWN):
            raise InputFault(f"{source}: {error} (replace it by a whole picture)") from error
        _check_other(source, data, error)


def _check_other(source: str, data: bytes, known: BrokenPicture) -> None:
    from pipeline.inputs.making import READABLE  # noqa: PLC0415 - as above
    from pipeline.inspect.decode import decoding  # noqa: PLC0415 - as above

    try:
        with decoding(data, formats=READABLE) as picture:
            if not min(picture.size) or max(picture.size) > MAX_SIDE:
                raise InputFault(f"{source}: a picture of {picture.size} pixels cannot be used")
    except BrokenPicture as error:
        raise InputFault(f"{source}: {known} (save it as PNG, JPEG or WebP)") from error


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"
