"""Power cuts, replayed: what a disk may hold when the machine dies in the middle of a run.

A run is traced (strace); its system calls go through a model of a file system in which what was not synced may vanish
or be torn at 512 bytes, and names survive in the order they were given until their folder is synced. At any moment of
the trace a crash image is drawn from that model, recovered by the real program under another boot id, and checked.

``python -m tests.crash.powercut --images 600`` is the long form (`make crash`); the suite runs a short one.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.history import Expected, History, faults, gather
from tests.crash.program import ROOT, Server, serving
from tests.crash.scenes import CANARY, MANIFEST, NAME, WANTED
from tests.crash.told import Told
from tests.crash.witness import Sale, Witness
from tests.fakes import png

SECTOR = 512
AT_ONCE = 4
TRACED = (
    "openat,write,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,rename,renameat,renameat2,link,linkat,"
    "unlink,unlinkat,mkdir,mkdirat"
)
WRITES = frozenset({"write", "pwrite64", "pwritev", "pwritev2"})
_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)")
_BEGUN = re.compile(r"^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)")
_HEX = re.compile(r"(?:\\x[0-9a-f]{2})+")
_ARG = re.compile(r'(?:(?:-?\d+|AT_FDCWD)<((?:[^>])*)>|"([^"]*)"(?:\.\.\.)?|([A-Z0-9_|x]+))')


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded. paths: of its descriptors; texts: its quoted arguments, as bytes."""

    name: str
    paths: tuple[str, ...]
    texts: tuple[bytes, ...]
    rest: str
    result: int

    @property
    def written(self) -> bytes:
        """What a write wrote, of all its pieces."""
        return b"".join(self.texts)[: self.result]

    @property
    def numbers(self) -> list[int]:
        """Its plain numbers: sizes, offsets, flags."""
        return [int(number) for number in re.findall(r"\b\d+\b", self.rest)]

    @property
    def offset(self) -> int:
        """Where a write to a place begins; of the newer call, flags come after it."""
        return self.numbers[-2 if self.name == "pwritev2" else -1]


def calls(log: Path) -> Iterator[Call]:
    """The calls of a log in the order in which they ended; those that failed are left out."""
    begun: dict[str, str] = {}
    with log.open() as lines:
        for line in lines:
            if match := _BEGUN.match(line):
                begun[match[1]] = match[3]
            elif match := _RESUMED.match(line):
                if int(match[4]) >= 0:
                    yield _call(match[2], begun.pop(match[1], "") + match[3], int(match[4]))
            elif (match := _LINE.match(line)) and int(match[4]) >= 0:
                yield _call(match[2], match[3], int(match[4]))


def _call(name: str, arguments: str, result: int) -> Call:
    paths, texts, rest = [], [], []
    for path, text, word in _ARG.findall(arguments):
        if path:
            paths.append(_bytes(path).decode())
        elif word:
            rest.append(word)
        else:
            texts.append(_bytes(text))
    return Call(name, tuple(paths), tuple(texts), " ".join(rest), result)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if _HEX.fullmatch(text) else text.encode()


@dataclass(slots=True)
class Inode:
    """A file's bytes on the medium, and what was done to it since it was synced."""

    durable: bytes = b""
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)
    position: int = 0

    def sync(self) -> None:
        self.durable = apply(self.durable, self.pending)
        self.pending = []

    def torn(self, luck: random.Random) -> bytes:
        """What a power cut leaves: all of what came since, none of it, or some sectors of some of it."""
        way = luck.random()
        if way < 0.35:
            return self.durable
        if way < 0.5:
            return apply(self.durable, self.pending)
        return apply(self.durable, [piece for each in self.pending for piece in _pieces(each, luck)])


def _pieces(change: tuple[str, int, bytes], luck: random.Random) -> Iterator[tuple[str, int, bytes]]:
    kind, at, data = change
    if kind != "write":
        if luck.random() < 0.5:
            yield change
        return
    whole = luck.random()
    for start in (0, *range(SECTOR - at % SECTOR, len(data), SECTOR)):
        if whole < 0.3 or (whole < 0.7 and luck.random() < 0.5):
            yield kind, at + start, data[start : start + SECTOR - (at + start) % SECTOR]


def apply(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    """The bytes after writes, cuts and reservations."""
    made = bytearray(data)
    for kind, at, written in changes:
        if kind == "cut":
            del made[at:]
        end = at + len(written)
        if len(made) < end:
            made.extend(bytes(end - len(made)))
        made[at:end] = written
    return bytes(made)


@dataclass(slots=True)
class Entry:
    """A change of one folder: what has the name afterwards (None: nothing). also: a name that goes with it.

    after: the change in another folder without which this one does not happen (a rename is never half of itself).
    """

    name: str
    target: "Inode | Folder | None"
    also: str = ""
    after: "Entry | None" = None


@dataclass(slots=True)
class Folder:
    """A folder's names on the medium, as they are now, and what changed since it was synced."""

    durable: dict[str, "Inode | Folder"] = field(default_factory=dict)
    live: dict[str, "Inode | Folder"] = field(default_factory=dict)
    pending: list[Entry] = field(default_factory=list)

    def change(self, entry: Entry) -> None:
        _enter(self.live, entry)
        self.pending.append(entry)

    def sync(self) -> None:
        for entry in self.pending:
            _enter(self.durable, entry)
        self.pending = []


def _enter(names: dict[str, "Inode | Folder"], entry: Entry) -> None:
    if entry.also:
        names.pop(entry.also, None)
    if entry.target is None:
        names.pop(entry.name, None)
    else:
        names[entry.name] = entry.target


class Disk:
    """The model: what is below *root*, fed call by call."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = Folder()

    def feed(self, call: Call) -> bool:
        """Takes a call; whether it concerned this disk."""
        full = (
            [
                path if path.startswith("/") else str(Path(call.paths[min(index, len(call.paths) - 1)]) / path)
                for index, path in enumerate(text.decode(errors="replace") for text in call.texts)
            ]
            if call.name not in WRITES
            else []
        )
        return self._take(call, [self._inside(path) for path in full], [self._inside(path) for path in call.paths])

    def _inside(self, path: str) -> tuple[str, ...] | None:
        try:
            return Path(path).relative_to(self.root).parts
        except ValueError:
            return None

    def _take(self, call: Call, named: list[tuple[str, ...] | None], held: list[tuple[str, ...] | None]) -> bool:
        match call.name:
            case "openat":
                return self._open(named[0] if named else None, call.rest)
            case name if name in WRITES or name in {"ftruncate", "fallocate", "fsync", "fdatasync"}:
                return self._data(call, held[0] if held else None)
            case "mkdir" | "mkdirat":
                return self._name(named[0], Folder())
            case "unlink" | "unlinkat":
                return self._name(named[0], None)
            case "link" | "linkat":
                return named[0] is not None and self._name(named[1], self._find(named[0]))
            case _:
                return self._rename(named[0], named[1])

    def _find(self, parts: tuple[str, ...]) -> "Inode | Folder | None":
        here: Inode | Folder | None = self.top
        for part in parts:
            here = here.live.get(part) if isinstance(here, Folder) else None
        return here

    def _folder(self, parts: tuple[str, ...]) -> Folder:
        found = self._find(parts)
        assert isinstance(found, Folder), parts
        return found

    def _open(self, parts: tuple[str, ...] | None, flags: str) -> bool:
        if parts is None or "O_CREAT" not in flags:
            return False
        found = self._find(parts)
        if found is None:
            return self._name(parts, Inode())
        if isinstance(found, Inode) and "O_TRUNC" in flags:
            found.pending.append(("cut", 0, b""))
            found.position = 0
        return True

    def _data(self, call: Call, parts: tuple[str, ...] | None) -> bool:
        found = self._find(parts) if parts is not None else None
        if found is None:
            return False
        if call.name in {"fsync", "fdatasync"}:
            found.sync()
            return True
        assert isinstance(found, Inode)
        match call.name:
            case "write":
                found.pending.append(("write", found.position, call.written))
                found.position += call.result
            case "ftruncate":
                found.pending.append(("cut", call.numbers[-1], b""))
            case "fallocate":
                found.pending.append(("room", sum(call.numbers[-2:]), b""))
            case _:
                found.pending.append(("write", call.offset, call.written))
        return True

    def _name(self, parts: tuple[str, ...] | None, target: "Inode | Folder | None") -> bool:
        if not parts:
            return False
        self._folder(parts[:-1]).change(Entry(parts[-1], target))
        return True

    def _rename(self, old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> bool:
        if not old or not new:
            return False
        target = self._find(old)
        if old[:-1] == new[:-1]:
            self._folder(new[:-1]).change(Entry(new[-1], target, also=old[-1]))
            return True
        there = Entry(new[-1], target)
        self._folder(new[:-1]).change(there)
        self._folder(old[:-1]).change(Entry(old[-1], None, after=there))
        return True

    def crash(self, luck: random.Random, into: Path) -> None:
        """Writes what a power cut leaves at this moment below *into*."""
        kept: set[int] = set()
        chosen = {id(folder): self._survivors(folder, luck, kept) for folder in self._folders(self.top)}
        pending = {id(entry) for folder in self._folders(self.top) for entry in folder.pending}
        bytes_of: dict[int, bytes] = {}

        def write(folder: Folder, at: Path) -> None:
            at.mkdir(parents=True, exist_ok=True)
            names = dict(folder.durable)
            for entry in chosen.get(id(folder), []):
                if entry.after is None or id(entry.after) not in pending or id(entry.after) in kept:
                    _enter(names, entry)
            for name, target in names.items():
                if isinstance(target, Folder):
                    write(target, at / name)
                elif not name.endswith("-shm"):
                    data = bytes_of.setdefault(id(target), target.torn(luck))
                    (at / name).write_bytes(data)

        write(self.top, into)

    @staticmethod
    def _survivors(folder: Folder, luck: random.Random, kept: set[int]) -> list[Entry]:
        way = luck.random()
        count = 0 if way < 0.4 else len(folder.pending) if way < 0.6 else luck.randint(0, len(folder.pending))
        kept.update(id(entry) for entry in folder.pending[:count])
        return folder.pending[:count]

    def _folders(self, folder: Folder) -> Iterator[Folder]:
        yield folder
        seen = {id(target): target for target in (*folder.durable.values(), *folder.live.values())}
        for target in seen.values():
            if isinstance(target, Folder):
                yield from self._folders(target)


@dataclass(slots=True, kw_only=True)
class Traced:
    """A run that ended well, call by call. sales: its bill. prompts, digests: of its attempts."""

    folder: Path
    calls: list[Call]
    sales: tuple[Sale, ...]
    prompts: dict[str, str]
    by_request: dict[str, str]


def can_trace() -> bool:
    """Whether strace is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def other_boot(folder: Path) -> tuple[str, ...]:
    """A command under which the machine seems to have been started anew; empty where that cannot be had."""
    boot = folder / "boot_id"
    boot.write_text("00000000-dead-4000-8000-000000000000\n")
    script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    command = ("unshare", "-Urm", "sh", "-c", script, str(boot))
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else ()


def _write_work(folder: Path, base: str) -> None:
    folder.mkdir(parents=True)
    (folder / "crash.yaml").write_text(MANIFEST.format(base=base, at_once=AT_ONCE))
    (folder / "photo.png").write_bytes(png("photo", width=16, height=16))


def _environ(package: Path) -> dict[str, str]:
    path = os.pathsep.join([str(package), str(ROOT)])
    return {"PATH": "/usr/bin:/bin", "CRASH_KEY": CANARY, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def trace(folder: Path, package: Path = ROOT) -> Traced:
    """Runs the program under strace, started the usual way. Raises CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    work, log = folder / "work", folder / "strace"
    with Witness(folder / "bill", latency=0.02).open() as witness:
        _write_work(work, witness.base)
        command = ["strace", "-f", "-y", "-xx", "-s", "4000000", "-e", f"trace={TRACED}", "-o", str(log)]
        command += [sys.executable, "-m", "pipeline", "run", "crash.yaml", "--json", "--log", "night.ndjson"]
        subprocess.run(command, cwd=work, env=_environ(package), check=True, capture_output=True)
        sales = witness.sales()
    history = gather(work / "output", NAME, sales, set(), CANARY)
    traced = Traced(
        folder=folder,
        calls=list(calls(log)),
        sales=sales,
        prompts={attempt.attempt_id: attempt.prompt for attempt in history.attempts},
        by_request={attempt.request_id: attempt.attempt_id for attempt in history.attempts},
    )
    shutil.move(work, folder / "whole")
    return traced


@dataclass(slots=True, kw_only=True)
class Figures:
    """What replaying came to. unknown: attempts that nobody can tell of any more, over all images."""

    images: int = 0
    bad: int = 0
    unknown: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        return f"{self.images} power cuts, {self.bad} bad images, {self.unknown} unknown, {self.seconds:.0f} s"


def _hear(told: Told, call: Call) -> None:
    if call.name in WRITES and call.paths:
        told.feed(call.paths[0], call.written)


@dataclass(slots=True, kw_only=True)
class Replayer:
    """Draws crash images of one trace, recovers each with the program, and checks what it made of it."""

    traced: Traced
    server: Server
    package: Path = ROOT

    def images(self, count: int, seed: int, *, stop_at_fault: bool = False) -> Figures:
        """Power cuts spread over the whole run."""
        figures, began, luck = Figures(), time.monotonic(), random.Random(seed)
        total = len(self.traced.calls)
        moments = Counter(luck.randrange(total) for _ in range(count))
        disk, told = Disk(self.traced.folder / "work" / "output"), Told()
        disk.top.durable, disk.top.live = {}, {}
        for number, call in enumerate(self.traced.calls):
            disk.feed(call)
            _hear(told, call)
            for _ in range(moments[number]):
                self._one(disk, told, luck, figures)
                figures.seconds = time.monotonic() - began
                if stop_at_fault and figures.bad:
                    return figures
        return figures

    def _one(self, disk: Disk, told: Told, luck: random.Random, figures: Figures) -> None:
        folder = self.traced.folder / "image"
        shutil.rmtree(folder, ignore_errors=True)
        with Witness(self.traced.folder / f"bill-{figures.images}", latency=0.0, first=10_000).open() as witness:
            _write_work(folder, witness.base)
            disk.crash(luck, folder / "output")
            running = self.server.start(
                ["run", "crash.yaml", "--json"], cwd=folder, environ=_environ(self.package) | {"HOME": str(folder)}
            )
            ended = running.wait()
            again = witness.sales()
        sold = [sale for sale in self.traced.sales if self.traced.by_request[sale.request_id] in told.answered]
        history = gather(folder / "output", NAME, (*sold, *again), set(), CANARY)
        figures.unknown += sum(attempt.outcome in {"sent", "unknown"} for attempt in history.attempts)
        found = list(self._faults(history, told, again))
        if ended.code not in {0, 14}:
            found.append(f"recovery ended with {ended.code}: {ended.err.strip()[-300:]}")
        figures.images += 1
        figures.bad += bool(found)
        figures.faults += [f"image {figures.images}: {fault}" for fault in found]

    def _faults(self, history: History, told: Told, again: tuple[Sale, ...]) -> Iterator[str]:
        yield from faults(history, Expected(wanted=WANTED, clean=True, most_unknown=AT_ONCE))
        known = {attempt.attempt_id for attempt in history.attempts}
        for attempt in told.sent - known:
            yield f"H2 attempt {attempt} was sent, and the ledger does not know it"
        yield from self._bought_again(told, again)
        digests = {self.traced.by_request[sale.request_id]: sale.digests for sale in self.traced.sales}
        for attempt in told.done:
            if not set(digests[attempt]) <= set(history.images):
                yield f"P1 attempt {attempt} was told as done, and its pictures are gone"

    def _bought_again(self, told: Told, again: tuple[Sale, ...]) -> Iterator[str]:
        owed: Counter[str] = Counter()
        counts: dict[str, int] = defaultdict(lambda: 1, {"pack": 3})
        for attempt in told.sent:
            owed[self.traced.prompts[attempt]] += counts[self.traced.prompts[attempt]]
        for sale in again:
            owed[sale.prompt] += sale.count
        for prompt, count in owed.items():
            if count > WANTED[prompt]:
                yield f"H6 {prompt!r} was sent {count} times over the cut, {WANTED[prompt]} were asked for"


def replay(count: int, seed: int, folder: Path, package: Path = ROOT, *, stop_at_fault: bool = False) -> Figures:
    """Traces a run of the ``pipeline`` of *package*, and recovers so many crash images of it."""
    traced = trace(folder / "trace", package)
    with serving(folder / "server", package=package, before=other_boot(folder)) as server:
        return Replayer(traced=traced, server=server, package=package).images(count, seed, stop_at_fault=stop_at_fault)


def main(count: int, seed: int) -> int:
    """The long form."""
    figures = replay(count, seed, Path(tempfile.mkdtemp(prefix="powercut-")))
    for fault in figures.faults:
        print(fault)  # noqa: T201
    print(figures.line())  # noqa: T201
    return 1 if figures.bad else 0


if __name__ == "__main__":
    import argparse

    parser = argparse.ArgumentParser(description="Replays power cuts over the system calls of a run.")
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(main(given.images, given.seed))
