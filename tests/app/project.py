"""A small project on disk: a manifest of every kind of axis, a feed, photos, references, and what was bought for it."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.cli.root import run
from tests.fakes import PaidHost, png

KEY = "sk-canary-7d1f0c2b9e8a4d6f"
NOWHERE = "http://127.0.0.1:9/v1"

MANIFEST = """\
version: 1
name: shop
providers:
  paid: {preset: openai, base_url: "${SHOP_URL:-http://127.0.0.1:9/v1}", api_key: env:SHOP_KEY, retry: {attempts: 1}}
models:
  main: {provider: paid, model: tiny-1, params: {quality: low}, price: 0.04 USD}
  rival: {provider: paid, model: tiny-2, price: 0.05 USD}
sources:
  products: {file: feed/products.csv, key: sku}
text:
  keep: Keep the rest.
defaults: {model: main, params: {size: 1024x1024}}
shots:
  hero:
    matrix:
      product: {source: products}
      scene:
        marble: white marble
        linen: {text: beige linen, mood: warm}
    prompt: "{{ product.title }} on {{ scene }}. {{ text.keep }}"
    images: ["{{ product.photo }}", refs/style.png]
    chain:
      - {id: ribbon, prompt: "Add a ribbon. {{ text.keep }}"}
      - {id: night, prompt: At night., images: [refs/night.png]}
  cutout:
    matrix: {product: {source: products}}
    prompt: Cut out {{ product.title }}.
    images: ["{{ product.photo }}"]
    mask: refs/mask.png
    n: 2
  poster:
    matrix: {colour: [red, teal], model: [main, rival]}
    prompt: A {{ colour }} poster.
budget: {per_run: 20 USD}
"""

FEED = "sku,title,photo\nA,Cup,photos/a.png\nB,Lamp,photos/b.png\n"


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass
class Project:
    """A folder with a manifest. environ: what the commands see besides the test's own environment."""

    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: {"SHOP_KEY": KEY, "SHOP_URL": NOWHERE})

    @property
    def manifest(self) -> Path:
        return self.folder / "shop.yaml"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def write(self, name: str, data: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def swap(self, old: str, new: str, name: str = "shop.yaml") -> None:
        text = (self.folder / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new))

    def at(self, url: str) -> "Project":
        """The same project with its provider at another address."""
        self.environ["SHOP_URL"] = url
        return self

    def pipeline(self, *arguments: str | Path) -> Ran:
        """A command in this process."""
        out, err = io.StringIO(), io.StringIO()
        with environment(self.environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run([str(argument) for argument in arguments])
        return Ran(status, out.getvalue(), err.getvalue())

    def run(self, *options: str | Path) -> Ran:
        """``pipeline run --json`` of the manifest; its printed object is checked to add up."""
        ran = self.pipeline("run", self.manifest, "--json", *options)
        if ran.out:
            assets = ran.json["assets"]
            assert assets["total"] == sum(count for name, count in assets.items() if name != "total")
            assert ran.json["exit"] == ran.exit
        return ran

    def plan(self, *options: str | Path) -> Any:
        ran = self.pipeline("plan", self.manifest, "--json", *options)
        assert ran.exit == 0, ran.err
        return ran.json

    def asked(self, *options: str | Path) -> set[str]:
        """Names of the assets a run would ask for."""
        return {asset["asset"] for asset in self.plan(*options)["assets"] if asset["state"] == "planned"}

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder, dict(self.environ))

    def index(self) -> dict[str, Any]:
        assets = json.loads((self.output / "shop" / "index.json").read_bytes())["assets"]
        assert isinstance(assets, dict)
        return assets

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the ledger's views as a stranger's program reads them."""
        ledger = self.output / ".pipeline/ledger.db"
        with contextlib.closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
            return list(connection.execute(query))


@contextlib.contextmanager
def environment(extra: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def project(folder: Path, manifest: str = MANIFEST) -> Project:
    """The whole project, nothing bought."""
    made = Project(folder)
    made.write("shop.yaml", manifest)
    made.write("feed/products.csv", FEED)
    for name in ("photos/a.png", "photos/b.png", "refs/style.png", "refs/night.png"):
        made.write(name, png(name))
    made.write("refs/mask.png", png("mask", alpha=True))
    return made


def bought(folder: Path) -> Project:
    """The whole project with everything bought."""
    made = project(folder)
    with PaidHost().open() as url:
        ran = made.at(url).run()
    assert (ran.exit, ran.json["assets"]["done"]) == (0, 20), ran.err
    return made.at(NOWHERE)


def small(folder: Path, shots: str, **top: str) -> Project:
    """A project of one paid provider and a few shots; *top* adds or replaces whole top-level entries."""
    made = Project(folder)
    entries = {
        "providers": 'paid: {preset: openai, base_url: "${SHOP_URL}", api_key: env:SHOP_KEY, retry: {attempts: 1}}',
        "models": "main: {provider: paid, model: tiny-1, price: 0.04 USD}",
        "budget": "per_run: 20 USD",
        "shots": shots,
        **top,
    }
    body = "".join(f"{name}:\n{_indented(text)}" for name, text in entries.items() if text)
    made.write("shop.yaml", f"version: 1\nname: shop\n{body}")
    return made


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.strip("\n").split("\n"))


def letters(count: int) -> Sequence[str]:
    """So many different words."""
    return [f"item{number:03}" for number in range(count)]


def icons(count: int) -> str:
    """One shot of so many assets ``icon/item000``…"""
    return f"icon: {{matrix: {{item: [{', '.join(letters(count))}]}}, prompt: 'An icon of {{{{ item }}}}.'}}"
