"""The run lock: the kernel's, taken before SQLite is opened and held for life; the text inside is for messages only.

The kernel frees it on any death, so there is no stale lock, no clock and nothing to unlock by hand. A network file
system may lie about locks and about what is durable: there a ledger is refused unless told otherwise.
"""

import fcntl
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

from pipeline.domain.errors import LedgerBusy, MachineError

FILE: Final = "ledger.lock"

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NETWORK: Final = re.compile(
    r"(?:nfs|nfs4|cifs|smb3|smbfs|ncpfs|afs|ceph|lustre|gpfs|beegfs|ocfs2|gfs2|davfs|prl_fs|vboxsf|vmhgfs"
    r"|fuse\.(?:sshfs|rclone|s3fs|gcsfuse|goofys|glusterfs|davfs2|vmhgfs-fuse))"
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock. since: ISO 8601, UTC. manifest: what it runs, empty for other commands."""

    pid: int
    host: str
    since: str
    manifest: str

    def __str__(self) -> str:
        doing = f", running {self.manifest}" if self.manifest else ""
        return f"process {self.pid} on {self.host} since {self.since}{doing}"


class RunLock:
    """A held lock; a context manager. Freed by `release`, or by the kernel with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def try_take(cls, folder: Path, who: Holder) -> "RunLock | Holder":
        """The lock of the ledger in *folder* (the output folder's ``.pipeline``), or who has it. Does not wait.

        For ``--wait`` call it again every second or so. Raises MachineError when the file cannot be made.
        """
        path = folder / FILE
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Close-on-exec (Python's default) keeps a child from holding the lock after our death.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise MachineError(f"{path}: {error.strerror} (is the output folder writable?)") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return _read(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise MachineError(f"{path}: cannot be locked here: {error.strerror} (use a local disk)") from error
        _write(descriptor, who)
        return cls(descriptor)

    @classmethod
    def take(cls, folder: Path, who: Holder) -> "RunLock":
        """The lock of the ledger in *folder*, at once. Raises LedgerBusy naming who has it, MachineError."""
        taken = cls.try_take(folder, who)
        if isinstance(taken, Holder):
            raise busy(folder, taken)
        return taken

    def release(self) -> None:
        """Frees the lock. Safe to repeat."""
        if self._descriptor is not None:
            # Closed, not unlocked: a text left behind says who was last, and nobody reads it while it is free.
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def busy(folder: Path, holder: Holder) -> LedgerBusy:
    """The error that names who holds the ledger in *folder*."""
    return LedgerBusy(f"{folder.parent}: another run holds this ledger: {holder} (wait for it, or use --wait)")


def _write(descriptor: int, who: Holder) -> None:
    text = json.dumps(asdict(who), ensure_ascii=False).encode("utf-8", "replace")
    # The text is a courtesy: a full disk must not keep the lock from anyone.
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text + b"\n", 0)


def _read(descriptor: int) -> Holder:
    try:
        said = json.loads(os.pread(descriptor, 4_096, 0))
        return Holder(
            pid=int(said["pid"]), host=str(said["host"]), since=str(said["since"]), manifest=str(said["manifest"])
        )
    except (OSError, ValueError, TypeError, KeyError):
        # It is just being written, or nobody could.
        return Holder(pid=0, host="this machine", since="just now", manifest="")


def network_file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The type of the network file system *folder* lies on; empty when it is local, or nobody can tell."""
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    real = Path(os.path.realpath(folder))
    found, depth = "", -1
    for line in table.splitlines():
        before, separator, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), fields[4]))
        # The last mount on a point covers those before it.
        if len(point.parts) >= depth and real.is_relative_to(point):
            found, depth = kinds[0], len(point.parts)
    return found if _NETWORK.fullmatch(found) else ""


def require_local(folder: Path, mounts: Path = _MOUNTS) -> None:
    """Raises MachineError when *folder* lies on a network file system, with what to do instead."""
    if kind := network_file_system(folder, mounts):
        raise MachineError(
            f"{folder}: on a network file system ({kind}), where locks and durability cannot be trusted "
            "(choose a local --output; copy the pictures afterwards)"
        )
