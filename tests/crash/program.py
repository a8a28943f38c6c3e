"""Starts the real command line as a process that may be killed: a fork of an interpreter that has imported it.

``python -m tests.crash.program`` serves such forks, so that a thousand of them import everything once; each is the
same code with its own environment, folder, standard output and failpoint. `cold` starts one the usual way.
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn

from pipeline.cli.root import run
from pipeline.domain import failpoint

ROOT = Path(__file__).resolve().parents[2]
WARM = (
    "pipeline.cli.run",
    "pipeline.cli.reconcile",
    "pipeline.cli.upkeep",
    "pipeline.cli.look",
    "pipeline.app.run",
    "pipeline.app.shop",
    "pipeline.app.keeping",
    "pipeline.app.deciding",
    "pipeline.app.showing",
    "pipeline.sheet",
    "httpx",
    "sqlite_utils",
    "anyio._backends._asyncio",
    "rich.console",
    "PIL.Image",
    "PIL.PngImagePlugin",
)
"""What a run imports; a name that is gone costs time alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a process ended: its exit status (negative: the signal), and what it said."""

    code: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass(slots=True)
class Running:
    """A process on its way."""

    pid: int
    server: "Server"
    began: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> Ended:
        return self.server.ended()


@dataclass(slots=True)
class Server:
    """Forks command lines, one at a time. folder: where each one's output is caught."""

    process: "subprocess.Popen[str]"
    folder: Path

    def start(self, argv: Sequence[str], *, cwd: Path, environ: Mapping[str, str]) -> Running:
        job = {"argv": list(argv), "cwd": str(cwd), "environ": dict(environ), "folder": str(self.folder)}
        self._in.write(json.dumps(job) + "\n")
        self._in.flush()
        return Running(int(self._out.readline()), self)

    def ended(self) -> Ended:
        code = int(self._out.readline())
        out, err = ((self.folder / name).read_text(errors="replace") for name in ("out", "err"))
        return Ended(code=code, out=out, err=err)

    @property
    def _in(self) -> IO[str]:
        assert self.process.stdin is not None
        return self.process.stdin

    @property
    def _out(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout


@contextmanager
def serving(folder: Path, *, package: Path = ROOT, before: Sequence[str] = ()) -> Iterator[Server]:
    """A server of forks. package: the folder that holds the ``pipeline`` to run. before: a command it runs under."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [*before, sys.executable, "-m", "tests.crash.program"]
    path = os.pathsep.join([str(package), str(ROOT)])
    environ = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, cwd=package, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Server(process, folder)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def serve() -> None:
    for name in WARM:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            _work(job)
        _tell(pid)
        _, status = os.waitpid(pid, 0)
        _tell(os.waitstatus_to_exitcode(status))


def _tell(number: int) -> None:
    os.write(1, f"{number}\n".encode())


def _work(job: dict[str, object]) -> NoReturn:
    code = 1
    try:
        folder = Path(str(job["folder"]))
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.chdir(str(job["cwd"]))
        os.environ.clear()
        os.environ.update(job["environ"])  # type: ignore[call-overload]
        importlib.reload(failpoint)  # the environment this process started with
        code = run(job["argv"])  # type: ignore[arg-type]
    except BaseException:  # noqa: BLE001 - whatever it was is told on standard error and ends this process
        os.write(2, traceback.format_exc().encode())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve()
