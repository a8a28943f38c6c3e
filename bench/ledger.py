"""The ledger's figures: look-ups and status on a ledger of 1,000,000 assets, commits at 64 callers.

python bench/ledger.py [--assets 1000000] [--callers 64] [--attempts 6400]

Every ratio is taken within one invocation; files are made in a temporary folder beside bench/output.
"""

import argparse
import hashlib
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import anyio

from pipeline.domain.digest import Digest
from pipeline.domain.image import Facts, Format, Image
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import (
    PAID,
    AssetRow,
    AttemptId,
    Intent,
    IntentSlot,
    Kept,
    Outcome,
    RunId,
    Settlement,
    State,
)
from pipeline.domain.step import AssetName, KeyParts, StepKey, step_key
from pipeline.ledger import Committer, Ledger, open_ledger

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = RunId("run")
FACTS = Facts(format=Format.PNG, width=1024, height=1024, has_alpha=False)
PROMPT = "Studio packshot of product {} on white marble in soft daylight, red. Keep the product exactly as it is."


def digest(name: str) -> Digest:
    return Digest(hashlib.sha256(name.encode()).hexdigest())


def parts(number: int) -> KeyParts:
    return KeyParts(
        protocol="images",
        model="gpt-image-2",
        params={"size": "1024x1024", "quality": "high", "output_format": "png"},
        prompt=PROMPT.format(number),
    )


def intent(number: int) -> Intent:
    asset = AssetName(f"hero/SKU-{number:07d}/marble/red/main")
    made = parts(number)
    return Intent(
        attempt_id=AttemptId(f"{number:026d}"),
        run_id=RUN,
        space=PAID,
        manifest="bench",
        provider="clauddy",
        endpoint="https://example.com/v1",
        protocol="images",
        model="gpt-image-2",
        slots=(IntentSlot(key=step_key(made), parts=made, asset=asset),),
        cost_low=MicroUsd(40_000),
        cost_high=MicroUsd(60_000),
        request_digest=digest(f"request {number}"),
        key_fingerprint="0123abcd",
        boot_id="00000000-0000-0000-0000-000000000000",
        opened_at=NOW + timedelta(milliseconds=number),
    )


def settlement(number: int) -> Settlement:
    image = Image(digest=digest(f"image {number}"), size=2_000_000, facts=FACTS)
    return Settlement(
        attempt_id=AttemptId(f"{number:026d}"),
        outcome=Outcome.DONE,
        ended_at=NOW + timedelta(milliseconds=number, seconds=40),
        space=PAID,
        kept=(Kept(image=image, slot=0, state=State.DONE),),
        http_status=200,
        request_id=f"req_{number:032d}",
        seconds=40.0,
        cost=MicroUsd(42_000),
        cost_high=MicroUsd(42_000),
        usage={"text_in": 40, "image_out": 4160},
    )


def asset(number: int, made: IntentSlot) -> AssetRow:
    return AssetRow(
        manifest="bench",
        space=PAID,
        asset=made.asset,
        shot="hero",
        axes=(("product", f"SKU-{number:07d}"), ("scene", "marble"), ("colour", "red"), ("model", "main")),
        step_id="",
        depth=0,
        candidate=1,
        parent=None,
        model_alias="main",
        key=made.key,
        state=State.DONE,
        reason="",
        image=Image(digest=digest(f"image {number}"), size=2_000_000, facts=FACTS),
        path=f"{made.asset}.png",
        usd=MicroUsd(42_000),
        warnings=(),
        run_id=RUN,
        updated_at=NOW,
    )


def fill(ledger: Ledger, count: int) -> None:
    """Done assets the way a night makes them, in transactions of 5,000; the filling itself is not what is measured."""
    ledger._book.connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001 - years of nights in some minutes
    ledger.begin_run(RUN, manifest="bench")
    for start in range(0, count, 5_000):
        numbers = range(start, min(start + 5_000, count))
        with ledger.together():
            intents = [intent(number) for number in numbers]
            for number, made in zip(numbers, intents, strict=True):
                ledger.replay(made, settlement(number))
            ledger.record_assets(asset(number, made.slots[0]) for number, made in zip(numbers, intents, strict=True))


def made(folder: Path, count: int) -> Ledger:
    ledger = open_ledger(folder, write=True, host="bench", boot_id="", now=lambda: NOW)
    began = time.process_time()
    fill(ledger, count)
    ledger.close()
    size = (folder / "ledger.db").stat().st_size
    print(
        f"{count:>9,} done assets: filled in {time.process_time() - began:.1f} s of CPU, {size / 1e6:,.0f} MB"
        f" ({size / count:,.0f} bytes an asset)",
        flush=True,
    )
    return open_ledger(folder, write=True, host="bench", boot_id="", now=lambda: NOW)


def median_of(rounds: int, work: Callable[[], object]) -> float:
    """Milliseconds of wall time."""
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def spread(count: int, wanted: int = 10_000) -> list[StepKey]:
    """Keys from all over the ledger."""
    step = max(1, count // wanted)
    return [step_key(parts(number)) for number in range(0, count, step)][:wanted]


def look_ups(small: Ledger, large: Ledger, large_count: int) -> None:
    near, far = spread(10_000), spread(large_count)
    strangers = [step_key(parts(-number)) for number in range(1, 10_001)]
    assert len(small.slots(PAID, near)) == len(large.slots(PAID, far)) == 10_000
    rounds = 9
    small_ms = median_of(rounds, lambda: small.slots(PAID, near))
    large_ms = median_of(rounds, lambda: large.slots(PAID, far))
    print(
        f"10,000 known keys: {small_ms:.1f} ms of 10,000, {large_ms:.1f} ms of {large_count:,}"
        f" ({large_ms / small_ms:.2f} times)"
    )
    small_ms = median_of(rounds, lambda: small.slots(PAID, strangers))
    large_ms = median_of(rounds, lambda: large.slots(PAID, strangers))
    print(
        f"10,000 strangers:  {small_ms:.1f} ms of 10,000, {large_ms:.1f} ms of {large_count:,}"
        f" ({large_ms / small_ms:.2f} times)"
    )


def status(large: Ledger) -> None:
    print(f"assets by state: {median_of(3, large.tallies):.0f} ms")
    print(f"money of the month: {median_of(3, lambda: large.money_since(NOW)):.2f} ms")
    names = [AssetName(f"hero/SKU-{number:07d}/marble/red/main") for number in range(0, 100_000, 100)]
    print(f"money of 1,000 assets: {median_of(3, lambda: large.money_of_assets('bench', names)):.1f} ms")
    print(f"all assets as values: {median_of(1, lambda: sum(1 for _ in large.assets('bench'))) / 1000:.1f} s")
    rows = [asset(number, intent(number).slots[0]) for number in range(10_000)]
    print(f"10,000 assets recorded again, nothing new: {median_of(3, lambda: large.record_assets(rows)):.0f} ms")


async def commits(folder: Path, callers: int, count: int) -> None:
    ledger = open_ledger(folder, write=True, host="bench", boot_id="", now=lambda: NOW)
    ledger.begin_run(RUN, manifest="bench")
    committer = Committer(ledger)
    numbers: Iterator[int] = iter(range(count))
    waits: list[float] = []
    intents, settlements = [intent(n) for n in range(count)], [settlement(n) for n in range(count)]

    async def buy() -> None:
        for number in numbers:
            began = time.perf_counter()
            await committer.do(partial(Ledger.open_attempt, intent=intents[number]))
            await committer.do(partial(Ledger.settle, settlement=settlements[number]))
            waits.append((time.perf_counter() - began) / 2)

    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(callers):
            group.start_soon(buy)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    operations = 2 * count
    waits.sort()
    print(
        f"{callers:>3} callers: {operations / seconds:,.0f} operations a second,"
        f" {cpu / operations * 1000:.3f} ms of CPU each,"
        f" a caller waits {waits[len(waits) // 2] * 1000:.1f} ms (99 %: {waits[len(waits) * 99 // 100] * 1000:.1f} ms)",
        flush=True,
    )
    ledger.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--assets", type=int, default=1_000_000)
    arguments.add_argument("--callers", type=int, default=64)
    arguments.add_argument("--attempts", type=int, default=6_400)
    asked = arguments.parse_args()
    output = Path(__file__).parent / "output"
    output.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output) as temporary:
        folder = Path(temporary)
        for callers in (1, asked.callers):
            anyio.run(commits, folder / f"commits-{callers}", callers, asked.attempts * callers // asked.callers)
        small, large = made(folder / "small", 10_000), made(folder / "large", asked.assets)
        look_ups(small, large, asked.assets)
        status(large)
        large.close()
        opening = median_of(
            3, lambda: open_ledger(folder / "large", write=True, host="bench", boot_id="", now=lambda: NOW).close()
        )
        print(f"opened and closed for writing: {opening:.0f} ms")
        small.close()


if __name__ == "__main__":
    main()
