"""Planning's figures: cells of one matrix, half of them done in a ledger, ours and a naive plan beside it.

python -m bench.planning [--cells 100000 1000000] [--rounds 3]

Every way runs in a process of its own: CPU seconds of the planning alone (user and system, without start-up and the
making of the ledger) and the highest memory of the whole process (VmHWM). All walk the same matrix of four axes with a
100-character template and make every key. `ours` reads which keys the ledger has at one stroke, as `pipeline plan` does
from 50,000 assets on; `asking` looks each up, `alone` has no ledger, everything new. `naive` is a list of dicts and a
SELECT for each.
"""

import argparse
import hashlib
import json
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice, product
from pathlib import Path

from bench.memory import high_water
from pipeline.domain.digest import Json, digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    PAID,
    AttemptId,
    Intent,
    IntentSlot,
    Kept,
    Outcome,
    RunId,
    Settlement,
    Space,
    State,
)
from pipeline.domain.step import AssetName, KeyParts, step_key
from pipeline.ledger import open_ledger
from pipeline.manifest.model import Manifest, ModelSpec
from pipeline.plan import Known, Lookup, make_plan, resolve
from tests.plan.making import Pictures, PriceList, axis, manifest, shot

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunId("run")
FACTS = Facts(format=Format.PNG, width=1024, height=1024, has_alpha=False)
SIZES = {1_000_000: (100, 50, 20, 10), 100_000: (100, 50, 20, 1), 10_000: (100, 10, 10, 1)}
NAMES = ("product", "scene", "colour", "light")
PROMPT = "Studio packshot of {product} on {scene}, in {colour}, under {light}. Keep the product exactly as it is."
PARAMS: Mapping[str, Json] = {"size": "1024x1024", "quality": "high", "output_format": "png"}


def keys_of(sizes: Sequence[int]) -> list[list[str]]:
    return [[f"{name}-{number:03d}" for number in range(size)] for name, size in zip(NAMES, sizes, strict=True)]


def manifest_of(sizes: Sequence[int]) -> Manifest:
    axes = [axis(name, *keys) for name, keys in zip(NAMES, keys_of(sizes), strict=True)]
    template = PROMPT.replace("{", "{{ ").replace("}", " }}")
    return manifest(
        shot("hero", *axes, prompt=template, params=PARAMS),
        models=[ModelSpec(alias="main", provider="paid", model="gpt-image-2", protocol="images", params={})],
    )


def naive_keys(sizes: Sequence[int]) -> Iterator[tuple[str, dict[str, Json]]]:
    """What one writes first: a dict a cell, formatted and dumped."""
    for values in product(*keys_of(sizes)):
        parts: dict[str, Json] = {
            "candidate": 1,
            "key_version": 1,
            "model": "gpt-image-2",
            "params": dict(PARAMS),
            "prompt": PROMPT.format(**dict(zip(NAMES, values, strict=True))),
            "protocol": "images",
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        yield hashlib.sha256(text.encode()).hexdigest(), parts


def make_ledger(folder: Path, sizes: Sequence[int]) -> None:
    """A ledger that has every second cell done, filled through its own door (minutes for a million cells)."""
    ledger = open_ledger(folder, write=True, host="bench", boot_id="", now=lambda: NOW)
    ledger.begin_run(RUN, manifest="bench")
    every_second = islice(naive_keys(sizes), 1, None, 2)
    numbered = enumerate(every_second)
    while some := list(islice(numbered, 5_000)):
        with ledger.together():
            for number, (_, parts) in some:
                ledger.replay(*bought(number, str(parts["prompt"])))
    ledger.close()
    make_naive(folder, sizes)


def make_naive(folder: Path, sizes: Sequence[int]) -> None:
    known = sorted(key for key, _ in islice(naive_keys(sizes), 1, None, 2))
    database = sqlite3.connect(folder / "naive.db")
    with database:
        database.execute("CREATE TABLE known (head INTEGER PRIMARY KEY, step_key BLOB, state TEXT, image BLOB)")
        database.executemany(
            "INSERT INTO known VALUES (?, ?, 'done', ?)",
            ((int(key[:15], 16), bytes.fromhex(key), hashlib.sha256(key.encode()).digest()) for key in known),
        )
    database.close()


def bought(number: int, prompt: str) -> tuple[Intent, Settlement]:
    parts = KeyParts(protocol="images", model="gpt-image-2", params=PARAMS, prompt=prompt)
    attempt = AttemptId(f"{number:026d}")
    intent = Intent(
        attempt_id=attempt,
        run_id=RUN,
        space=PAID,
        manifest="bench",
        provider="paid",
        endpoint="https://paid.example/v1",
        protocol="images",
        model="gpt-image-2",
        slots=(IntentSlot(key=step_key(parts), parts=parts, asset=AssetName(f"hero/{number}")),),
        cost_low=MicroUsd(40_000),
        cost_high=MicroUsd(60_000),
        request_digest=digest_of(prompt.encode()),
        key_fingerprint="0123abcd",
        boot_id="",
        opened_at=NOW,
    )
    image = Image(digest=digest_of(f"picture {number}".encode()), size=2_000_000, facts=FACTS)
    return intent, Settlement(
        attempt_id=attempt,
        outcome=Outcome.DONE,
        ended_at=NOW,
        space=PAID,
        kept=(Kept(image=image, slot=0, state=State.DONE),),
        cost=MicroUsd(42_000),
        cost_high=MicroUsd(42_000),
    )


def ours(folder: Path, sizes: Sequence[int]) -> tuple[int, int]:
    """Ours against this project's ledger."""
    ledger = open_ledger(folder, write=False, host="bench", boot_id="", now=lambda: NOW)
    try:
        known = ledger.known_keys(Space(PAID))
        return walked(sizes, ledger.slots, lambda _space, keys: known(keys))
    finally:
        ledger.close()


def asked_one_by_one(folder: Path, sizes: Sequence[int]) -> tuple[int, int]:
    """Ours, each key looked up in the table, as a run does it and a plan of less than 50,000."""
    ledger = open_ledger(folder, write=False, host="bench", boot_id="", now=lambda: NOW)
    try:
        return walked(sizes, ledger.slots)
    finally:
        ledger.close()


def walked(sizes: Sequence[int], lookup: Lookup, known: Known | None = None) -> tuple[int, int]:
    """The product's plan: keys, look-up, states, prices. Gives how many are cached and how many asked."""
    plan = make_plan(manifest_of(sizes), Pictures(), PriceList())
    cached = asked = expected = 0
    for step in resolve(plan.cells_in_order(), lookup, space_of=lambda _: Space(PAID), known=known):
        if step.asks:
            quote = step.quote
            assert quote is not None
            asked, expected = asked + 1, expected + quote.expected
        else:
            cached += 1
    assert expected > 1_000 * asked
    return cached, asked


def alone(folder: Path, sizes: Sequence[int]) -> tuple[int, int]:
    """Ours against an empty ledger that answers at once: what the planning itself costs, and its highest memory."""
    return walked(sizes, lambda _space, _keys: {})


def naive(folder: Path, sizes: Sequence[int]) -> tuple[int, int]:
    """A list of all cells, then one SELECT for each from a table of keys; no states, no prices, no objects."""
    database = sqlite3.connect(folder / "naive.db")
    steps = list(naive_keys(sizes))
    cached = 0
    for key, _ in steps:
        found = database.execute("SELECT state FROM known WHERE head = ?", (int(key[:15], 16),))
        cached += found.fetchone() is not None
    database.close()
    return cached, len(steps) - cached


WAYS: Mapping[str, Callable[[Path, Sequence[int]], tuple[int, int]]] = {
    "ours": ours,
    "asking": asked_one_by_one,
    "alone": alone,
    "naive": naive,
}


def one(way: str, folder: Path, cells: int) -> None:
    """Runs in a child: one line of JSON."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    cached, asked = WAYS[way](folder, SIZES[cells])
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu": cpu, "megabytes": high_water(), "cached": cached, "asked": asked}))


def compare(folder: Path, cells: int, rounds: int) -> None:
    ledger = folder / str(cells)
    child = [sys.executable, "-m", "bench.planning", "--folder", str(ledger), "--cells", str(cells), "--way"]
    subprocess.run([*child, "fill"], check=True)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, results in found.items():
            answer = subprocess.run([*child, way], check=True, capture_output=True, text=True)
            results.append(json.loads(answer.stdout))
    for way, results in found.items():
        cpu = [result["cpu"] for result in results]
        memory = max(result["megabytes"] for result in results)
        print(
            f"{cells:>9,} cells, {way:<6}: {statistics.median(cpu):6.2f} s of CPU ({min(cpu):.2f} to {max(cpu):.2f}),"
            f" {statistics.median(cpu) / cells * 1e6:5.2f} us a cell, {memory:4.0f} MB,"
            f" {results[0]['cached']:,} cached, {results[0]['asked']:,} to be asked",
            flush=True,
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cells", type=int, nargs="+", default=[100_000, 1_000_000], choices=sorted(SIZES))
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--way", choices=[*WAYS, "fill"], help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.way == "fill":
        make_ledger(asked.folder, SIZES[asked.cells[0]])
    elif asked.way:
        one(asked.way, asked.folder, asked.cells[0])
    else:
        output = Path(__file__).parent / "output"
        output.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output) as temporary:
            for cells in asked.cells:
                compare(Path(temporary), cells, asked.rounds)


if __name__ == "__main__":
    main()
