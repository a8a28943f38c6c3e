"""The history checker: a pure function over the bill and everything the program left, in Jepsen's manner.

`gather` reads the disk; `faults` decides. The bill and the deliveries are the outside witness's alone: an oracle that
is derived from the spool, the ledger or the store passes programs that throw away what they were paid for.
"""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.crash.witness import Sale

PRICE = 40_000
"""Micro-USD a picture."""

OPEN = frozenset({"claimed", "sent", "unknown"})
SHEET = ("index.html", "index.json", "contact-sheet", "thumbs/")
ENDS = frozenset({"planned", "done", "refused", "failed", "unknown", "skipped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A row of v_attempts; usd in micro-USD."""

    attempt_id: str
    asset: str
    prompt: str
    outcome: str
    request_id: str
    usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A row of v_assets."""

    name: str
    state: str
    reason: str
    digest: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything there is to compare, at one moment when no process runs.

    images, tree: digest of the bytes by the name of the file. leftovers: temporary files and spool files.
    """

    sales: tuple[Sale, ...]
    delivered: frozenset[int]
    attempts: tuple[Attempt, ...]
    assets: tuple[Asset, ...]
    images: Mapping[str, str]
    tree: Mapping[str, str]
    index: Mapping[str, Mapping[str, object]]
    receipts: frozenset[str]
    leftovers: tuple[str, ...]
    integrity: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must be true besides: how far the story has come.

    wanted: how many assets each prompt is for. rebuys: how often a person said of a prompt "buy it again".
    clean: the last process ended by itself. complete: everything is to be there. most_unknown: of all kills so far.
    """

    wanted: Mapping[str, int]
    rebuys: Mapping[str, int] = field(default_factory=dict)
    clean: bool = False
    complete: bool = False
    most_unknown: int | None = None


def faults(history: History, expected: Expected) -> Iterator[str]:
    """Every invariant that does not hold, one line each; empty: all is well."""
    yield from _money(history)
    yield from _bought(history, expected)
    yield from _kept(history)
    yield from _done(history)
    yield from _tree(history)
    if history.integrity != "ok":
        yield f"H8 the ledger is damaged: {history.integrity}"
    for where in history.secrets:
        yield f"H9 the key is in {where}"
    if expected.clean:
        yield from _clean(history)
        yield from _agreed(history)
    if expected.complete:
        yield from _complete(history, expected)


def _money(history: History) -> Iterator[str]:
    """H2 and H3: nothing is bought unrecorded, and the ledger's sums embrace the bill."""
    bill = sum(sale.count for sale in history.sales) * PRICE
    spent = sum(attempt.usd for attempt in history.attempts if attempt.outcome not in OPEN)
    unknown = sum(attempt.usd for attempt in history.attempts if attempt.outcome in OPEN)
    if not spent <= bill <= spent + unknown:
        yield f"H3 bill {bill} is not between spent {spent} and spent + unknown {spent + unknown}"
    recorded = Counter(attempt.prompt for attempt in history.attempts)
    for prompt, sold in Counter(sale.prompt for sale in history.sales).items():
        if sold > recorded[prompt]:
            yield f"H2 {prompt!r} was sold {sold} times, the ledger has {recorded[prompt]} attempts"


def _bought(history: History, expected: Expected) -> Iterator[str]:
    """H5 and H6: nothing is bought twice unasked, and a kill leaves at most what was in flight unknown."""
    bought: Counter[str] = Counter()
    for sale in history.sales:
        bought[sale.prompt] += sale.count
    for prompt, count in bought.items():
        allowed = expected.wanted.get(prompt, 0) + expected.rebuys.get(prompt, 0)
        if count > allowed:
            yield f"H6 {prompt!r} was bought {count} times, {allowed} were asked for"
    held = sum(attempt.outcome in OPEN for attempt in history.attempts)
    if expected.most_unknown is not None and held > expected.most_unknown:
        yield f"H5 {held} attempts are unknown, the kills so far allow {expected.most_unknown}"


def _kept(history: History) -> Iterator[str]:
    """H1: every image is whole, every asset has an end, what is done has its image."""
    for name, digest in history.images.items():
        if name != digest:
            yield f"H1 image {name[:12]} has other bytes"
    for asset in history.assets:
        if asset.state not in ENDS:
            yield f"H1 {asset.name} is {asset.state}"
        if asset.state == "done" and asset.digest not in history.images:
            yield f"H1 {asset.name} is done without its image"


def _done(history: History) -> Iterator[str]:
    """H1 and H2: each attempt that is done has a sale of its own, and its pictures are there."""
    by_request = {sale.request_id: sale for sale in history.sales}
    seen = Counter(attempt.request_id for attempt in history.attempts if attempt.outcome == "done")
    for attempt in history.attempts:
        if attempt.outcome != "done":
            continue
        if not attempt.request_id and any(sale.prompt == attempt.prompt for sale in history.sales):
            continue  # a power cut took the head of its answer
        sale = by_request.get(attempt.request_id)
        if sale is None or sale.prompt != attempt.prompt or seen[attempt.request_id] > 1:
            yield f"H2 attempt {attempt.attempt_id} is done, and no sale of its own is on the bill"
        elif not set(sale.digests) <= set(history.images):
            yield f"H1 attempt {attempt.attempt_id} is done, and its pictures are not in the store"


def _tree(history: History) -> Iterator[str]:
    """H7: every file people see is whole and ours."""
    for path, digest in history.tree.items():
        if digest not in history.images:
            yield f"H7 {path} is no picture of ours"


def _clean(history: History) -> Iterator[str]:
    """After an orderly end: nothing is left over, nothing delivered is missing."""
    for name in history.leftovers:
        yield f"H8 {name} was left behind"
    for sale in history.sales:
        if sale.serial in history.delivered and not set(sale.digests) <= set(history.images):
            yield f"H4 sale {sale.serial} ({sale.prompt}) was read to its end, and its pictures are lost"
    for attempt in history.attempts:
        if attempt.outcome in {"sent", "claimed"}:
            yield f"H1 attempt {attempt.attempt_id} is still {attempt.outcome}"
        if attempt.outcome in {"done", "unknown"} and attempt.attempt_id not in history.receipts:
            yield f"H8 attempt {attempt.attempt_id} has no receipt"


def _agreed(history: History) -> Iterator[str]:
    """H7: files = ledger = index."""
    for asset in history.assets:
        if asset.state == "done" and history.tree.get(asset.path) != asset.digest:
            yield f"H7 {asset.name}: {asset.path} is not its picture"
        told = history.index.get(asset.name, {})
        if (told.get("state"), told.get("sha256") or "") != (asset.state, asset.digest):
            yield f"H7 {asset.name}: the index says {told.get('state')}, the ledger {asset.state}"


def _complete(history: History, expected: Expected) -> Iterator[str]:
    done = sum(asset.state == "done" for asset in history.assets)
    wanted = sum(expected.wanted.values())
    if done != wanted:
        states = Counter(asset.state for asset in history.assets)
        yield f"H1 {done} of {wanted} assets are done: {dict(states)}"


def gather(output: Path, manifest: str, sales: tuple[Sale, ...], delivered: set[int], canary: str) -> History:
    """Reads everything. Call it while no process runs."""
    state = output / ".pipeline"
    attempts, assets, integrity = _ledger(state / "ledger.db", manifest)
    folder = output / manifest
    tree = {
        str(path.relative_to(folder)): _digest(path)
        for path in _files(folder)
        if not str(path.relative_to(folder)).startswith(SHEET) and not _is_half(path.name)
    }
    index = folder / "index.json"
    everything = list(_files(output))
    return History(
        sales=sales,
        delivered=frozenset(delivered),
        attempts=attempts,
        assets=assets,
        images={path.stem: _digest(path) for path in _files(state / "images") if not path.name.startswith(".")},
        tree=tree,
        index=json.loads(index.read_text())["assets"] if index.exists() else {},
        receipts=frozenset(path.stem for path in _files(state / "receipts")),
        leftovers=tuple(
            str(path.relative_to(output)) for path in everything if _is_half(path.name) or path.parent.name == "spool"
        ),
        integrity=integrity,
        secrets=tuple(str(path) for path in everything if canary.encode() in path.read_bytes()),
    )


def _ledger(path: Path, manifest: str) -> tuple[tuple[Attempt, ...], tuple[Asset, ...], str]:
    if not path.exists():
        return (), (), "ok"
    with TemporaryDirectory() as folder, closing(_copied(path, Path(folder))) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
        attempts = tuple(
            Attempt(
                attempt_id=row[0],
                asset=row[1],
                prompt=row[2],
                outcome=row[3],
                request_id=row[4] or "",
                usd=round((row[5] or 0) * 1_000_000),
            )
            for row in connection.execute(ATTEMPTS)
        )
        assets = tuple(
            Asset(name=row[0], state=row[1], reason=row[2] or "", digest=(row[3] or "").lower(), path=row[4] or "")
            for row in connection.execute(
                "SELECT asset, state, reason, sha256, path FROM v_assets WHERE manifest = ?", (manifest,)
            )
        )
    return attempts, assets, integrity


def _copied(path: Path, folder: Path) -> sqlite3.Connection:
    """A copy is read: looking must change nothing, and where the program lives in a name space, links mislead."""
    for name in (path.name, f"{path.name}-wal"):
        if path.with_name(name).exists():
            shutil.copyfile(path.with_name(name), folder / name)
    return sqlite3.connect(folder / path.name)


ATTEMPTS = """
    SELECT v.attempt_id, v.asset,
    (SELECT json_extract(k.parts, '$.prompt') FROM attempts a JOIN attempt_slots s ON s.attempt = a.attempt
     JOIN keys k ON k.step_key = s.step_key WHERE a.attempt_id = v.attempt_id LIMIT 1),
    v.outcome, v.request_id, v.usd
    FROM v_attempts v"""


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _is_half(name: str) -> bool:
    return name.startswith(".") and "part" in name


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()
