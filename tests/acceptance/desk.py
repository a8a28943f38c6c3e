"""A stranger's desk: a folder, manifests in it, and the command line started from anywhere."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECRET = "sk-live-0123456789abcdefSECRET"
"""The key that must never be seen again."""

PAID = """\
version: 1
name: {name}
providers:
  shop:
    preset: {preset}
    base_url: {url}/v1
    api_key: env:SHOP_KEY
    retry: {{attempts: 3, first_wait: 1ms, longest_wait: 5ms}}
{extra}
models:
  main: {{provider: shop, model: {model}, price: 0.01 USD}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command came to."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON value."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Every line that was printed, on either stream."""
        return (self.out + self.err).splitlines()


@dataclass(slots=True)
class Desk:
    """A project of a stranger's. env: added to the environment of every command."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str | bytes) -> Path:
        """Puts a file into the project."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def paid(self, url: str, rest: str, *, name: str = "job", preset: str = "newapi", **more: str) -> Path:
        """A manifest that asks a shop: *rest* is everything from `shots:` on."""
        head = PAID.format(
            name=name, preset=preset, url=url, extra=more.get("extra", ""), model=more.get("model", "house-model")
        )
        return self.write(f"jobs/{name}.yaml", head + rest)

    def start(self, *words: str | Path, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Starts a command."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", *map(str, words)],
            cwd=cwd or self.root,
            env=env | {"SHOP_KEY": SECRET, "NO_COLOR": "1", "XDG_CONFIG_HOME": str(self.root)} | self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str | Path, cwd: Path | None = None) -> Told:
        """Runs a command to its end; no traceback and no key ever comes out of it."""
        with self.start(*words, cwd=cwd) as process:
            out, err = process.communicate(timeout=60)
        for stream in (out, err):
            assert "Traceback" not in stream, stream
            assert SECRET not in stream, stream
            assert "\x1b" not in stream, stream
        return Told(exit=process.returncode, out=out, err=err)

    def index(self, name: str = "job") -> dict[str, Any]:
        """The assets of `index.json`."""
        text = (self.root / "output" / name / "index.json").read_text()
        assets: dict[str, Any] = json.loads(text)["assets"]
        return assets

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What the ledger's views say."""
        with closing(sqlite3.connect(self.root / "output/.pipeline/ledger.db")) as db:
            db.row_factory = sqlite3.Row
            return [dict(each) for each in db.execute(sql)]
