"""What the heavy peers share: programs started for a while, the command line run for real, the ledger read."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.gateway.serve import bind

REPOSITORY = Path(__file__).parents[2]
PEERS = Path(os.environ.get("PEERS", REPOSITORY / ".peers"))
"""Where `make peers` installs what is not ours."""


def installed(name: str) -> str:
    """The path of a program that `make peers` installed in an environment of its own."""
    program = PEERS / name / "bin" / name
    if not program.exists():
        pytest.fail(f"{name} is not installed in {PEERS} (make peers)")
    return str(program)


def aimock() -> list[str]:
    """The command that starts aimock."""
    node = shutil.which("node")
    script = REPOSITORY / "tests/peers/node/node_modules/@copilotkit/aimock/dist/cli.js"
    if node is None or not script.exists():
        pytest.fail("aimock is not installed (make peers-node)")
    return [node, str(script)]


def free_port() -> int:
    """A loopback port that nobody had a moment ago."""
    taken = bind("127.0.0.1", 0)
    try:
        port: int = taken.getsockname()[1]
        return port
    finally:
        taken.close()


@contextmanager
def running(
    command: list[str], *, ready: str, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A program that runs while the block lasts, from when *ready* answers. settings: its environment besides ours."""
    with (folder / "peer.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **(settings or {})})
        try:
            _await(process, ready, time.monotonic() + 90, folder / "peer.log")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], ready: str, until: float, log: Path) -> None:
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            if httpx.get(ready, timeout=2).status_code < 500:
                return
        except httpx.HTTPError:
            pass  # not yet
        time.sleep(0.2)
    pytest.fail(f"{ready} never answered:\n{log.read_text(errors='replace')[-2000:]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What a run of ours did: its exit status, what it printed, and the folder it wrote."""

    exit: int
    said: Mapping[str, Any]
    output: Path
    notes: str

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of the ledger's public views."""
        with sqlite3.connect(self.output / ".pipeline" / "ledger.db") as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(query)]

    def pictures(self) -> list[bytes]:
        """What lies in the output tree for each asset that is there."""
        rows = self.rows("SELECT manifest, path FROM v_assets WHERE state = 'done'")
        return [(self.output / row["manifest"] / row["path"]).read_bytes() for row in rows]

    def assets(self) -> dict[str, str]:
        """The state of every asset."""
        return {row["asset"]: row["state"] for row in self.rows("SELECT asset, state FROM v_assets")}


def run_pipeline(manifest: Path, *arguments: str, **more: str) -> Night:
    """Runs a manifest through the command line, as a person would. more: environment."""
    output = manifest.parent / "output"
    command = [sys.executable, "-m", "pipeline", "run", str(manifest), "--json", "--output", str(output), *arguments]
    finished = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, **more}
    )
    assert finished.stdout.strip(), finished.stderr
    return Night(exit=finished.returncode, said=json.loads(finished.stdout), output=output, notes=finished.stderr)


def pipeline(*arguments: str) -> None:
    """Runs another command of ours, which must end well."""
    finished = subprocess.run(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def stats(base_url: str) -> dict[str, Any]:
    """What a gateway of ours was asked and billed."""
    told = httpx.get(base_url.removesuffix("/v1") + "/_gateway/stats").json()
    assert isinstance(told, dict)
    return told
