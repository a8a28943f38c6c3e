"""Private copies by digest, and what was made of them by digest and recipe; all of it can be made again."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import DiskFull, InputFault, MachineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.step import Role
from pipeline.domain.temporary import is_temporary, temporary_name
from pipeline.inputs.limits import InputLimits
from pipeline.inputs.made import Made

_VERSION: Final = "v1"
"""Of the making: whoever changes the pixels that come out of it changes this, and everything is made anew."""

_FICLONE: Final = 0x40049409
_FILE: Final = re.compile(r"([0-9a-f]{64})(\..*)?")
_PIECE: Final = 1024 * 1024
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sendable file of the cache."""

    path: Path
    size: int
    media_type: str
    width: int
    height: int
    given: tuple[int, int]
    notes: tuple[str, ...]


class Cache:
    """Files of *folder*: ``<digest>`` as given, ``<digest>.<recipe>`` as sent, ``<digest>.<recipe>.json`` about it.

    Nothing is synced: whatever a power cut damages is noticed, because every file is hashed when it is used first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, digest: Digest) -> bool:
        """Whether the private copy is there with the right bytes; a damaged one is removed."""
        path = self._folder / digest
        if not path.is_file():
            return False
        if _digest(path) == digest:
            return True
        path.unlink(missing_ok=True)
        return False

    def read(self, digest: Digest) -> bytes:
        """The bytes as given. Raises MachineError."""
        with _told(self._folder / digest):
            return (self._folder / digest).read_bytes()

    def keep(self, digest: Digest, data: bytes) -> None:
        """Keeps bytes as given. Raises DiskFull, MachineError."""
        if not self.has(digest):
            with _written(self._folder / digest) as part:
                part.write_bytes(data)

    def copy(self, digest: Digest, source: str, at_most: int) -> bool:
        """Makes the private copy of a file; False when its bytes are no longer those of *digest*.

        What is hashed is the copy, so that nobody can change it between the check and the use.
        Raises InputFault when the source cannot be read, DiskFull, MachineError.
        """
        try:
            with _written(self._folder / digest) as part:
                failpoint("input.copy")
                copy_file(source, part, at_most)
                if _digest(part) != digest:
                    raise _ChangedError
                failpoint("input.rename")
        except _ChangedError:
            return False
        return True

    def entry(self, digest: Digest, role: Role, limits: InputLimits) -> Entry | None:
        """What was made of an input before; None when it was not, or is damaged."""
        return self._entry(digest, _recipe(role, limits))

    def _entry(self, digest: Digest, recipe: str) -> Entry | None:
        try:
            about = json.loads((self._folder / f"{digest}.{recipe}.json").read_bytes())
            path = self._folder / (f"{digest}.{recipe}" if about["made"] else digest)
            entry = Entry(
                path=path,
                size=path.stat().st_size,
                media_type=str(about["media_type"]),
                width=int(about["width"]),
                height=int(about["height"]),
                given=(int(about["given"][0]), int(about["given"][1])),
                notes=tuple(map(str, about["notes"])),
            )
            return entry if _digest(path) == about["sha256"] else None
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None  # not there, or damaged: made again

    def keep_made(self, digest: Digest, role: Role, limits: InputLimits, made: Made) -> Entry:
        """Keeps what was made of an input. Raises DiskFull, MachineError."""
        return self._keep(digest, _recipe(role, limits), made)

    def keep_scaled(self, digest: Digest, size: tuple[int, int], data: bytes, notes: tuple[str, ...]) -> Entry:
        """Keeps a mask that was scaled along with its image. Raises DiskFull, MachineError."""
        shown = f"{size[0]}x{size[1]}"
        made = Made(
            data=data,
            media_type="image/png",
            width=size[0],
            height=size[1],
            given=size,
            notes=(*notes, f"scaled down to {shown} with the first image"),
        )
        return self._keep(digest, f"mask-{_VERSION}-{shown}", made)

    def _keep(self, digest: Digest, recipe: str, made: Made) -> Entry:
        path = self._folder / (digest if made.data is None else f"{digest}.{recipe}")
        if made.data is not None:
            with _written(path) as part:
                part.write_bytes(made.data)
        about = {
            "made": made.data is not None,
            "sha256": digest if made.data is None else digest_of(made.data),
            "media_type": made.media_type,
            "width": made.width,
            "height": made.height,
            "given": made.given,
            "notes": made.notes,
        }
        with _written(self._folder / f"{digest}.{recipe}.json") as part:
            part.write_text(json.dumps(about, indent=1), encoding="utf-8")
        entry = self._entry(digest, recipe)
        if entry is None:
            raise MachineError(f"{path}: cannot be read back (check this disk)")
        return entry

    def given_size(self, digest: Digest, limits: InputLimits) -> tuple[int, int] | None:
        """Width and height of an image as given, upright; None when it was never made ready here."""
        entry = self._entry(digest, _recipe("image", limits))
        return entry.given if entry else None

    def sweep(self) -> int:
        """Removes temporary files of dead processes and says how many; call it under the run lock."""
        with _told(self._folder):
            left = [entry.name for entry in os.scandir(self._folder) if is_temporary(entry.name)]
            for name in left:
                (self._folder / name).unlink(missing_ok=True)
        return len(left)

    def forget(self, keep: frozenset[Digest]) -> int:
        """Removes what belongs to no digest of *keep*, and temporary files; says how many files went."""
        gone = 0
        with _told(self._folder):
            for path in list(self._folder.iterdir()):
                match = _FILE.fullmatch(path.name)
                if not match or match[1] not in keep:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone


class _ChangedError(Exception):
    """The copy has not the bytes that were hashed."""


def copy_file(source: str, target: Path, at_most: int) -> None:
    """Copies a file, sharing its blocks where the file system can, at most *at_most* and one piece more bytes.

    Raises InputFault when the source cannot be read, OSError when the target cannot be written.
    """
    try:
        reading = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise InputFault(f"{source}: cannot be read any more: {error.strerror}") from error
    with os.fdopen(reading, "rb", buffering=0) as file, target.open("xb") as out:
        if _shared(reading, out.fileno()):
            return
        copied = 0
        while copied <= at_most:
            try:
                piece = file.read(_PIECE)
            except OSError as error:
                raise InputFault(f"{source}: cannot be read any more: {error.strerror}") from error
            if not piece:
                return
            out.write(piece)
            copied += len(piece)


def _shared(reading: int, writing: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        return False  # whatever the reason, copying will tell
    return True


def _recipe(role: Role, limits: InputLimits) -> str:
    """Names what was made by role, version of the making and limits, so that other limits make anew."""
    bounds = hashlib.sha256(repr(limits).encode()).hexdigest()[:8]
    return f"{role}-{_VERSION}-{bounds}"


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest(hashlib.file_digest(file, "sha256").hexdigest())


@contextlib.contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A temporary file beside *path* that gets its name when the block ends well, and goes otherwise."""
    part = path.with_name(temporary_name())
    with _told(path):
        try:
            yield part
            part.chmod(0o400)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _NO_ROOM:
            raise DiskFull(f"{path}: an input cannot be copied: {reason} (make room on this disk)") from error
        raise MachineError(f"{path}: an input cannot be copied: {reason}") from error
