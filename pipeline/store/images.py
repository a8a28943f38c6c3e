"""Images by the SHA-256 of their bytes: whole or not at all, written once, read-only, verified on read."""

import contextlib
import errno
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.errors import MachineError
from pipeline.domain.failpoint import failpoint
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.temporary import is_temporary, temporary_name
from pipeline.inspect import BrokenPicture, inspect
from pipeline.store import durable

_NAME: Final = re.compile(r"([0-9a-f]{64})\.(png|jpg|webp|gif)")
_READ_ONLY: Final = 0o444
_LARGEST: Final = 512 * 1024 * 1024
"""Bytes of a stored file that is read back; what a host may send is bounded far below."""

_REMEMBERED: Final = 1024
"""Files just written whose identity is remembered."""

_Identity = tuple[int, int, int, int, int]


class DamagedImage(MachineError):
    """A stored image is gone or its bytes are not those its name says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file found in the store. digest: None when its name is none of ours."""

    path: Path
    digest: Digest | None
    size: int


class FileStore:
    """Images as ``<folder>/ab/<digest>.<extension>``, mode 0444. Safe to use from several threads.

    Bytes are kept exactly as they came. Order of `put`: temporary file in *folder*, write, fsync, link under the
    final name (which never replaces), fsync of the shard's folder. The temporary file lies beside the shards, on the
    same file system, so that one short listing finds what a killed process left (`sweep`).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shards: set[str] = set()
        self._wrote: dict[Digest, _Identity] = {}
        self._lock = threading.Lock()

    def put(self, data: bytes, sync: Callable[[int], None] | None = None) -> Image:
        """Keeps a whole picture durably and gives its name and facts; idempotent. Blocks.

        sync: takes the descriptor of the folder that must be synced before anything rests on this picture
        (`durable.Unsynced`); without it that is done here.

        Raises BrokenPicture when the structure is not whole, DiskFull when there is no room (nothing half-written
        is visible then), MachineError otherwise. A file of that name whose bytes are damaged is replaced.
        """
        image = Image(digest=digest_of(data), size=len(data), facts=inspect(data))
        with durable.told(self.path(image), "cannot keep a picture"), durable.folder(self._folder, follow=True) as root:
            self._keep(root, image, data, sync or durable.sync_folder)
            failpoint("image.kept")
        return image

    def _keep(self, root: int, image: Image, data: bytes, sync: Callable[[int], None]) -> None:
        shard = image.digest[:2]
        self._make_shard(root, shard)
        with durable.folder(shard, inside=root) as fd:
            name = _file_name(image)
            if not _is_whole(name, image, inside=fd):
                self._write(root, fd, name, data)
                self._remember(image, os.stat(name, dir_fd=fd, follow_symlinks=False))
            # Even when the file was there: who wrote it may have died before this.
            sync(fd)

    def _make_shard(self, root: int, shard: str) -> None:
        with self._lock:
            if shard in self._shards:
                return
            with contextlib.suppress(FileExistsError):
                os.mkdir(shard, 0o700, dir_fd=root)
            # Once a process even when it was there: its maker may have died before its name was durable.
            durable.sync_folder(root)
            self._shards.add(shard)

    @staticmethod
    def _write(root: int, shard: int, name: str, data: bytes) -> None:
        try:
            part = _write_and_sync(data, inside=root)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            part = _write_and_sync(data, inside=root)
        try:
            failpoint("image.link")
            _name_it(part, name, root=root, shard=shard)
        finally:
            durable.discard(part, inside=root)
        failpoint("image.linked")

    def _remember(self, image: Image, status: os.stat_result) -> None:
        with self._lock:
            if len(self._wrote) >= _REMEMBERED:
                self._wrote.clear()
            self._wrote[image.digest] = _identity(status)

    def wrote(self, image: Image, status: os.stat_result) -> bool:
        """Whether the file with this status is the one `put` wrote, and nobody touched it since. Said once."""
        with self._lock:
            return self._wrote.pop(image.digest, None) == _identity(status)

    def path(self, image: Image) -> Path:
        """Where the bytes are, or would be."""
        return self._folder / image.digest[:2] / _file_name(image)

    def has(self, image: Image) -> bool:
        """Whether a regular file of the right size is there; nothing is hashed."""
        try:
            found = self.path(image).lstat()
        except OSError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == image.size

    def read(self, image: Image) -> bytes:
        """The bytes, checked against their name. Raises DamagedImage when they are damaged or gone."""
        return _checked(self.path(image), image.digest)

    def find(self, digest: Digest) -> Path | None:
        """The file of that digest, whatever its format; None when there is none."""
        folder = self._folder / digest[:2]
        candidates = (folder / f"{digest}.{kind.extension}" for kind in Format)
        return next((path for path in candidates if path.is_file() and not path.is_symlink()), None)

    def verify(self, digest: Digest) -> Image:
        """Hashes and inspects a stored image anew. Raises DamagedImage when it is damaged or gone."""
        path = self.find(digest)
        if path is None:
            raise DamagedImage(f"{self._folder / digest[:2] / digest}.*: this image is gone")
        data = _checked(path, digest)
        return Image(digest=digest, size=len(data), facts=_facts(path, data))

    def walk(self) -> Iterator[StoredFile]:
        """Every file in the store, in order of its name; what is not ours comes without a digest. Nothing is hashed."""
        for shard in sorted(entry for entry in self._folder.iterdir() if not is_temporary(entry.name)):
            if shard.is_symlink() or not shard.is_dir():
                yield StoredFile(path=shard, digest=None, size=shard.lstat().st_size)
                continue
            for path in sorted(shard.iterdir()):
                yield _found(path)

    def remove(self, digest: Digest) -> None:
        """Removes an image for good, durably; nothing happens when it is not there. Raises MachineError."""
        path = self.find(digest)
        if path is None:
            return
        with durable.told(path, "cannot be removed"), durable.folder(path.parent) as fd:
            os.unlink(path.name, dir_fd=fd)
            durable.sync_folder(fd)

    def sweep(self) -> int:
        """Removes temporary files of dead processes and says how many; call it under the run lock."""
        with durable.told(self._folder, "cannot be tidied"), durable.folder(self._folder, follow=True) as root:
            return durable.sweep(root)


class MemoryStore:
    """Images in memory, with the same promises short of durability. *folder*: where `path` lays a file out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images: dict[Digest, bytes] = {}

    def put(self, data: bytes, sync: Callable[[int], None] | None = None) -> Image:
        """Keeps a whole picture. Raises BrokenPicture."""
        image = Image(digest=digest_of(data), size=len(data), facts=inspect(data))
        self._images[image.digest] = bytes(data)
        return image

    def wrote(self, image: Image, status: os.stat_result) -> bool:
        """Never: its files are written by `path`."""
        return False

    def path(self, image: Image) -> Path:
        """A file with the bytes, written when somebody asks for it first."""
        path = self._folder / _file_name(image)
        if image.digest in self._images and not path.exists():
            path.write_bytes(self._images[image.digest])
            path.chmod(_READ_ONLY)
        return path

    def has(self, image: Image) -> bool:
        """Whether it was put."""
        return len(self._images.get(image.digest, b"")) == image.size

    def read(self, image: Image) -> bytes:
        """The bytes. Raises DamagedImage when they were never put."""
        data = self._images.get(image.digest)
        if data is None:
            raise DamagedImage(f"{image.digest}: this image is gone")
        return data


def _identity(status: os.stat_result) -> _Identity:
    """What changes whenever a file is written to, replaced or renamed."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _file_name(image: Image) -> str:
    return f"{image.digest}.{image.facts.format.extension}"


def _write_and_sync(data: bytes, *, inside: int) -> str:
    """The name of a new temporary file with *data*. Called a second time after EIO: never the same descriptor."""
    part = temporary_name()
    failpoint("image.write")
    durable.write_whole(part, data, inside=inside, mode=_READ_ONLY, at="image.sync")
    return part


def _is_whole(name: str, image: Image, *, inside: int) -> bool:
    """Whether the file is there with the right bytes; hashing it costs 0.7 ms a megabyte and happens rarely."""
    try:
        found = os.stat(name, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISLNK(found.st_mode):
            os.unlink(name, dir_fd=inside)
            return False
        raise OSError(errno.EEXIST, "something that is no file has its name")
    if found.st_size == image.size and _digest(name, inside=inside) == image.digest:
        return True
    os.unlink(name, dir_fd=inside)
    return False


def _digest(name: str, *, inside: int) -> Digest:
    return digest_of(durable.read_regular(name, at_most=_LARGEST, inside=inside))


def _name_it(part: str, name: str, *, root: int, shard: int) -> None:
    """Gives the file its name without replacing; where there are no hard links, by a rename."""
    try:
        os.link(part, name, src_dir_fd=root, dst_dir_fd=shard, follow_symlinks=False)
    except FileExistsError:
        return  # another thread kept the same bytes meanwhile
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EACCES}:
            raise
        os.rename(part, name, src_dir_fd=root, dst_dir_fd=shard)


def _checked(path: Path, digest: Digest) -> bytes:
    try:
        data = durable.read_regular(path, at_most=_LARGEST)
    except OSError as error:
        raise DamagedImage(f"{path}: this image cannot be read: {error.strerror}") from error
    if digest_of(data) != digest:
        raise DamagedImage(f"{path}: this image is damaged: its bytes are not those its name says")
    return data


def _facts(path: Path, data: bytes) -> Facts:
    try:
        return inspect(data)
    except BrokenPicture as error:
        raise DamagedImage(f"{path}: this is no picture: {error}") from error


def _found(path: Path) -> StoredFile:
    status = path.lstat()
    match = _NAME.fullmatch(path.name)
    ours = match is not None and stat.S_ISREG(status.st_mode) and match[1].startswith(path.parent.name)
    return StoredFile(path=path, digest=Digest(match[1]) if match and ours else None, size=status.st_size)
