"""Relative paths in the output tree: which are legal, and walking them by descriptor so that no link leads out."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from typing import Final

from pipeline.domain.errors import PipelineError
from pipeline.store import durable
from pipeline.store.places import STATE

IN_THE_WAY: Final = frozenset({errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTEMPTY})
"""What a link, a file in a folder's place or a name too long say."""

_LONGEST_NAME: Final = 240
"""Bytes of one name; file systems take 255 and an extension or ``~new`` may follow."""


def split(path: str, refused: type[PipelineError]) -> tuple[tuple[str, ...], str]:
    """The folders and the last name of a relative path that stays below its root.

    Raises *refused* for an empty, absolute or climbing path, for our own folder, and for names no disk takes.
    """
    *folders, name = path.split("/")
    for part in (*folders, name):
        if part in {"", ".", ".."} or any(ord(char) < 32 or char == "\x7f" for char in part):
            raise refused(f"{path!r}: no path below the output folder")
        try:
            size = len(os.fsencode(part))
        except UnicodeEncodeError as error:
            raise refused(f"{path!r}: not a name a disk can hold") from error
        if size > _LONGEST_NAME:
            raise refused(f"{path!r}: a name of more than {_LONGEST_NAME} bytes (shorten the keys, or use path:)")
    if (*folders, name)[0].casefold() == STATE:
        raise refused(f"{path!r}: {STATE} is not for pictures")
    return tuple(folders), name


@contextlib.contextmanager
def made(folders: Sequence[str], *, inside: int, refused: type[PipelineError]) -> Iterator[int]:
    """A descriptor of the innermost folder; folders that are missing are made, durably."""
    with contextlib.ExitStack() as stack:
        for depth, name in enumerate(folders):
            try:
                inside = stack.enter_context(_made(name, inside=inside))
            except OSError as error:
                if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
                    raise
                shown = "/".join(folders[: depth + 1])
                raise refused(f"{shown}: a link or a file is where a folder should be (move it away)") from error
        yield inside


@contextlib.contextmanager
def _made(name: str, *, inside: int) -> Iterator[int]:
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=inside)
        durable.sync_folder(inside)
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def opened(folders: Sequence[str], *, inside: int) -> Iterator[int]:
    """A descriptor of the innermost folder, which must be there. Raises OSError."""
    with contextlib.ExitStack() as stack:
        for name in folders:
            inside = stack.enter_context(durable.folder(name, inside=inside))
        yield inside


def remove_empty(folders: Sequence[str], *, inside: int) -> None:
    """Removes folders from the innermost outwards while they are empty; the first one (the manifest's) stays."""
    for depth in range(len(folders), 1, -1):
        try:
            with opened(folders[: depth - 1], inside=inside) as parent:
                os.rmdir(folders[depth - 1], dir_fd=parent)
        except OSError:
            return


@contextlib.contextmanager
def told(where: object, what: str, refused: type[PipelineError]) -> Iterator[None]:
    """Turns an OSError into one line: *refused* when something is in the way, else as `durable.told` does."""
    try:
        yield
    except OSError as error:
        if error.errno in IN_THE_WAY:
            raise refused(f"{where}: {what}: {error.strerror} (move away what is there)") from error
        raise durable.fault(f"{where}: {what}", error) from error
