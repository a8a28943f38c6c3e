"""Whole runs against scripts of the same work on the same loopback host: CPU, wall time, memory, pictures that came.

    make bench                                       # every work, three rounds
    make bench ARGS='--rounds 1 --share 0.2 --only small large'

CPU is user + system time of the finished process as the kernel counts it, less that of a run of one picture. Makespan
is the host's: from the first request to the last byte of the last answer. Ours runs with everything on: durable
intents, spool, receipts, hashes, structure checks, ledger, output tree; no sheet unless the row says so. The host has
core 1 to itself and what is measured core 0, where there are two; ratios are taken inside a round, and the raw figures
of every round are kept in bench/results/runs.json.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.host import picture
from bench.memory import high_water

HERE = Path(__file__).parent
RESULTS = HERE / "results"

MANIFEST = """\
version: 1
name: bench
providers: {{host: {{preset: openai, base_url: "{base}", limits: {{{limits}}}}}}}
models: {{main: {{provider: host, model: gpt-image-2, params: {{size: 1024x1024, quality: low}}}}}}
shots: {{a: {{matrix: {{x: [{numbers}]}}, {images}prompt: "thing {{{{ x }}}}"}}}}
"""


@dataclass(frozen=True, kw_only=True)
class Work:
    """So many pictures of *size* bytes. photos: pictures of *photo_size* bytes that go along. rate: requests a second
    that the host takes, a burst of one second; ideal: the makespan nobody can beat, in seconds."""

    told: str
    size: int
    count: int
    concurrency: int
    latency: float = 0.0
    rate: float = 0.0
    photos: int = 0
    photo_size: int = 1_000_000
    peers: tuple[str, ...] = ("ours", "aiohttp script", "openai script", "httpx script", "ours over stock httpx")

    @property
    def ideal(self) -> float:
        waves = -(-self.count // self.concurrency) * self.latency
        limited = (self.count - self.rate) / self.rate + self.latency if self.rate else 0.0
        return max(waves, limited)


WORKS: Mapping[str, Work] = {
    "small": Work(told="2,000 x 20 kB, 64 at once", size=20_000, count=2000, concurrency=64),
    "large": Work(told="300 x 2 MB, 16 at once", size=2_000_000, count=300, concurrency=16),
    "latency": Work(
        told="640 x 2 MB, 32 at once, 400 ms",
        size=2_000_000,
        count=640,
        concurrency=32,
        latency=0.4,
        peers=("ours", "aiohttp script", "openai script"),
    ),
    "rate": Work(
        told="300 x 200 kB at 20 a second, 32 at once, 200 ms",
        size=200_000,
        count=300,
        concurrency=32,
        latency=0.2,
        rate=20.0,
        peers=("ours, limit known", "ours", "openai script"),
    ),
    "edits": Work(
        told="200 edits of 4 x 1 MB, 2 MB back, 16 at once",
        size=2_000_000,
        count=200,
        concurrency=16,
        photos=4,
        peers=("ours", "aiohttp script", "openai script", "httpx script"),
    ),
    "inputs": Work(
        told="64 edits of 16 x 10 MB, 2 MB back, 32 at once",
        size=2_000_000,
        count=64,
        concurrency=32,
        photos=16,
        photo_size=10_000_000,
        peers=("ours",),
    ),
    "sheet": Work(
        told="300 x 2 MB, 16 at once, with the sheet",
        size=2_000_000,
        count=300,
        concurrency=16,
        peers=("ours", "ours with the sheet"),
    ),
}

SCRIPTS: Mapping[str, str] = {"aiohttp script": "tuned.py", "openai script": "sdk.py", "httpx script": "plain.py"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one run took. came: pictures there at the end; limited, seconds: as the host saw it."""

    cpu: float
    wall: float
    peak_mb: float
    came: int
    limited: int
    seconds: float


def command(peer: str, work: Work, base: str, folder: Path) -> list[str]:
    photos = [folder / f"photo-{number}.png" for number in range(work.photos)]
    for photo in photos:
        photo.write_bytes(b"".join(picture(work.photo_size)))
    if peer in SCRIPTS:
        given = [base, str(work.count), str(work.concurrency), str(folder / "output"), *map(str, photos)]
        return [sys.executable, str(HERE / SCRIPTS[peer]), *given]
    limits = f"concurrency: {work.concurrency}"
    if peer == "ours, limit known":
        limits += f", requests_per_minute: {work.rate * 60 or 6000:.0f}"
    numbers = ", ".join(str(number) for number in range(work.count))
    images = f"images: [{', '.join(photo.name for photo in photos)}], " if photos else ""
    (folder / "bench.yaml").write_text(MANIFEST.format(base=base, limits=limits, numbers=numbers, images=images))
    run = [sys.executable, "-m", "pipeline", "run", str(folder / "bench.yaml")]
    run += [] if peer == "ours with the sheet" else ["--no-sheet"]
    return ["env", "PIPELINE_TRANSPORT=httpx", *run] if peer == "ours over stock httpx" else run


def on(core: int) -> list[str]:
    """What pins a command to a core where there are several."""
    return ["taskset", "-c", str(core)] if sys.platform == "linux" and (os.cpu_count() or 1) > 1 else []


def one(peer: str, work: Work) -> Cost:
    """One run beside a host of its own."""
    serve = [sys.executable, str(HERE / "host.py"), "--size", str(work.size), "--latency", str(work.latency)]
    serve += ["--rate", str(work.rate), "--burst", str(int(work.rate) or 1)]
    host = subprocess.Popen([*on(1), *serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert host.stdout
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "output").mkdir()
        base = f"http://127.0.0.1:{json.loads(host.stdout.readline())['port']}/v1"
        given = command(peer, work, base, folder)
        began = time.perf_counter()
        process = subprocess.Popen([*on(0), *given], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        peak = 0.0
        while not (done := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, high_water(process.pid))
            time.sleep(0.01)
        _, status, usage = done
        wall = time.perf_counter() - began
        if status:
            raise SystemExit(f"{given}: {process.stderr.read().decode()[-2000:] if process.stderr else status}")
        tree = folder / "output" / ("" if peer in SCRIPTS else "bench")
        came = sum(1 for path in tree.rglob("*.png") if path.name != "contact-sheet.png")
    said, _ = host.communicate("")
    seen = json.loads(said)
    return Cost(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=wall,
        peak_mb=peak,
        came=came,
        limited=seen["limited"],
        seconds=seen["seconds"],
    )


def rounds_of(work: Work, rounds: int) -> list[dict[str, dict[str, float]]]:
    """By round and peer: CPU ms a picture, start-up taken off, and the rest as it was measured."""
    found = []
    for _ in range(rounds):
        told = {}
        for peer in work.peers:
            start, whole = one(peer, Work(**{**asdict(work), "count": 1, "rate": 0.0})), one(peer, work)
            each = (whole.cpu - start.cpu) / (work.count - 1) * 1000
            told[peer] = {"cpu_ms": each, "start_cpu_s": start.cpu, **asdict(whole)}
        found.append(told)
    return found


def table(work: Work, found: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """Medians over the rounds; ratios inside a round."""
    lines = [
        "| | CPU ms each | x openai | pictures/s | makespan / ideal | came | 429s | peak MB | start-up CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for peer in work.peers:

        def middle(name: str, peer: str = peer) -> float:
            return statistics.median(told[peer][name] for told in found)

        ratio = "-"
        if "openai script" in work.peers:
            each = [told[peer]["cpu_ms"] / told["openai script"]["cpu_ms"] for told in found]
            ratio = f"{statistics.median(each):.2f}"
        span = f"{middle('seconds') / work.ideal:.3f}" if work.ideal else "-"
        lines.append(
            f"| {peer} | {middle('cpu_ms'):.2f} | {ratio} | {middle('came') / middle('seconds'):.0f} | {span} | "
            f"{middle('came'):.0f} | {middle('limited'):.0f} | {middle('peak_mb'):.0f} | {middle('start_cpu_s'):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures")
    parser.add_argument("--only", nargs="+", choices=list(WORKS), default=list(WORKS))
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    kept: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count(), "share": given.share}
    kept["load_before"] = os.getloadavg()
    for name in given.only:
        work = WORKS[name]
        work = Work(**{**asdict(work), "count": max(2, int(work.count * given.share))})
        found = rounds_of(work, given.rounds)
        kept[work.told] = found
        print(f"{work.told} (x {given.share:g})\n\n{table(work, found)}\n", flush=True)
    kept["load_after"] = os.getloadavg()
    (RESULTS / "runs.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
