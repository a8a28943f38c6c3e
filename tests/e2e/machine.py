"""The command line as other programs start it: processes, signals and sockets."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.app.project import Project, Ran

PATIENCE = 30.0
"""Seconds after which a process that does not do what is waited for fails its test."""


def start(*arguments: str | Path, environ: Mapping[str, str], cwd: Path | None = None) -> "subprocess.Popen[str]":
    """The command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        env={**os.environ, **environ},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: "subprocess.Popen[str]") -> Ran:
    """Waits for a process and gives what it came to; a killed one has the signal's number, negative."""
    out, err = process.communicate(timeout=PATIENCE)
    return Ran(process.returncode, out, err)


def command(*arguments: str | Path, environ: Mapping[str, str], cwd: Path | None = None) -> Ran:
    return ended(start(*arguments, environ=environ, cwd=cwd))


def started(shop: Project, *options: str | Path) -> "subprocess.Popen[str]":
    """A run of a project's manifest."""
    return start("run", shop.manifest, "--json", *options, environ=shop.environ)


def until(happened: Any, what: str) -> None:
    """Looks again and again whether something has happened."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"it never came to {what}"
        time.sleep(0.005)


@dataclass
class Gateway:
    """Our own server in a process of its own."""

    base_url: str
    process: "subprocess.Popen[str]"

    def stats(self) -> dict[str, Any]:
        root = self.base_url.removesuffix("/v1")
        with urllib.request.urlopen(f"{root}/_gateway/stats", timeout=PATIENCE) as answer:
            found = json.load(answer)
        assert isinstance(found, dict)
        return found

    @property
    def requests(self) -> int:
        return int(self.stats()["requests"])

    @property
    def billed(self) -> int:
        return int(self.stats()["images_billed"])


@contextlib.contextmanager
def gateway(*options: str | Path) -> Iterator[Gateway]:
    """``pipeline gateway`` while the block lasts."""
    process = start("gateway", *options, environ={})
    try:
        line = _first(process.stdout)
        yield Gateway(base_url=json.loads(line)["base_url"], process=process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)


def _first(stream: IO[str] | None) -> str:
    assert stream is not None
    return stream.readline()
