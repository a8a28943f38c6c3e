"""Reads an strace log and says what a power cut could still take: data and names that nobody synced."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TRACED = (
    "openat,write,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fchmod,rename,renameat,renameat2,link,linkat,"
    "mkdir,mkdirat,unlink,unlinkat"
)
WRITES = {"write", "pwrite64", "pwritev", "pwritev2"}

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += 0|^(?:\d+ +)?(openat|write|pwrite64|pwritev2?)\((.*)\) += \d+")
_PATH = re.compile(r'(?:\d+|AT_FDCWD)<([^>]*)>(?:, "([^"]*)")?')


def can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return tried.returncode == 0


def trace(log: Path, command: list[str], **options: object) -> None:
    whole = ["strace", "-f", "-y", "-s", "32", "-e", f"trace={TRACED}", "-o", str(log), *command]
    subprocess.run(whole, check=True, capture_output=True, **options)  # type: ignore[call-overload]


@dataclass(slots=True)
class Machine:
    """A file system that keeps only what was synced. told: what the program had printed so far.

    moves: names that were given to files that had one before. gone: names that were removed.
    """

    unsynced_data: set[str] = field(default_factory=set)
    unsynced_names: set[str] = field(default_factory=set)
    named_early: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    moves: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def at_risk(self, folder: Path) -> set[str]:
        """Paths below *folder* whose data or name a power cut could take now."""
        return {path for path in self.unsynced_data | self.unsynced_names if Path(path).is_relative_to(folder)}

    def step(self, call: str, rest: str) -> None:
        by_descriptor = call in WRITES | {"ftruncate", "fchmod", "fsync", "fdatasync"}
        found = _PATH.findall(rest)
        paths = [str(Path(folder) / name) if name and not by_descriptor else folder for folder, name in found]
        match call:
            case "write" | "pwrite64" if rest.startswith("1<"):
                self.told.append(rest.split('"')[1].removesuffix("\\n"))
            case "write" | "pwrite64" | "pwritev" | "pwritev2" | "ftruncate" | "fchmod":
                self.unsynced_data.add(paths[0])
            case "fsync" | "fdatasync":
                self.unsynced_data.discard(paths[0])
                self.unsynced_names = {path for path in self.unsynced_names if str(Path(path).parent) != paths[0]}
            case "rename" | "renameat" | "renameat2" | "link" | "linkat":
                self.moved(paths[0], paths[1], gone=call.startswith("rename"))
            case "openat" if "O_CREAT" in rest:
                self.unsynced_names.add(paths[0])
            case "mkdir" | "mkdirat":
                self.unsynced_names.add(paths[0])
            case "unlink" | "unlinkat":
                self.removed(paths[0] if paths else rest.split('"')[1])

    def removed(self, path: str) -> None:
        self.unsynced_data.discard(path)
        self.unsynced_names.discard(path)
        self.gone.append(path)

    def moved(self, source: str, target: str, *, gone: bool) -> None:
        self.moves.append(target)
        if source in self.unsynced_data:
            self.named_early.append(target)
            self.unsynced_data.add(target)
        if gone:
            self.unsynced_data.discard(source)
            self.unsynced_names.discard(source)
        self.unsynced_names.add(target)


def replay(log: Path) -> Iterator[Machine]:
    """The machine after each call; the same object each time."""
    machine = Machine()
    for line in log.read_text(errors="replace").splitlines():
        found = _CALL.match(line)
        if found:
            machine.step(found[1] or found[3], found[2] or found[4])
            yield machine
