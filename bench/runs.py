"""Whole runs against a plain httpx + anyio script on the same loopback host: CPU and wall seconds per picture.

    .venv/bin/python bench/runs.py               # 2,000 x 20 kB at 64 at once, 300 x 2 MB at 16 at once, three rounds

CPU is user + system time of the finished process as the kernel counts it, less that of a run of one picture. Ours
runs with everything on: durable intents, spool, receipts, hashes, structure checks, ledger, output tree; no sheet.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ROUNDS = 3

MANIFEST = """\
version: 1
name: bench
providers: {{host: {{preset: openai, base_url: "{base}", limits: {{concurrency: {concurrency}}}}}}}
models: {{main: {{provider: host, model: gpt-image-2, params: {{size: 1024x1024, quality: low}}}}}}
shots: {{a: {{matrix: {{x: [{numbers}]}}, prompt: "thing {{{{ x }}}}"}}}}
"""


@dataclass(frozen=True)
class Cost:
    cpu: float
    wall: float
    peak_mb: float


def measure(command: list[str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{command}: {process.stderr.read().decode()[-2000:] if process.stderr else status}")
    return Cost(cpu=usage.ru_utime + usage.ru_stime, wall=wall, peak_mb=usage.ru_maxrss / 1024)


def ours(base: str, count: int, concurrency: int, folder: Path) -> list[str]:
    numbers = ", ".join(str(number) for number in range(count))
    (folder / "bench.yaml").write_text(MANIFEST.format(base=base, concurrency=concurrency, numbers=numbers))
    return [sys.executable, "-m", "pipeline", "run", str(folder / "bench.yaml"), "--no-sheet"]


def plain(base: str, count: int, concurrency: int, folder: Path) -> list[str]:
    return [sys.executable, str(HERE / "plain.py"), base, str(count), str(concurrency), str(folder)]


def one(make, base: str, count: int, concurrency: int) -> Cost:  # noqa: ANN001 -- either of the two above
    with tempfile.TemporaryDirectory() as folder:
        return measure(make(base, count, concurrency, Path(folder)))


def work(size: int, count: int, concurrency: int) -> dict[str, float]:
    host = subprocess.Popen(
        [sys.executable, str(HERE / "host.py"), str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert host.stdout
    assert host.stdin
    base = f"http://127.0.0.1:{json.loads(host.stdout.readline())['port']}/v1"
    try:
        rounds = []
        for _ in range(ROUNDS):
            start = {make: one(make, base, 1, concurrency) for make in (ours, plain)}
            whole = {make: one(make, base, count, concurrency) for make in (ours, plain)}
            cpu = {make: (whole[make].cpu - start[make].cpu) / (count - 1) * 1000 for make in (ours, plain)}
            rounds.append((cpu[ours], cpu[plain], whole[ours], whole[plain], start[ours].cpu, start[plain].cpu))
    finally:
        host.stdin.close()
        host.wait()
    middle = [statistics.median(values) for values in zip(*((a, b, a / b) for a, b, *_ in rounds), strict=True)]
    return {
        "ours_cpu_ms": round(middle[0], 2),
        "plain_cpu_ms": round(middle[1], 2),
        "cpu_ratio": round(middle[2], 2),
        "ours_wall_s": round(statistics.median(r[2].wall for r in rounds), 2),
        "plain_wall_s": round(statistics.median(r[3].wall for r in rounds), 2),
        "ours_peak_mb": round(statistics.median(r[2].peak_mb for r in rounds)),
        "plain_peak_mb": round(statistics.median(r[3].peak_mb for r in rounds)),
        "ours_start_cpu_s": round(statistics.median(r[4] for r in rounds), 2),
        "plain_start_cpu_s": round(statistics.median(r[5] for r in rounds), 2),
    }


def main() -> None:
    RESULTS.mkdir(exist_ok=True)
    found = {}
    for name, size, count, concurrency in (
        ("2000 x 20 kB, 64 at once", 20_000, 2000, 64),
        ("300 x 2 MB, 16 at once", 2_000_000, 300, 16),
    ):
        found[name] = work(size, count, concurrency)
        print(name, json.dumps(found[name], indent=1))
    (RESULTS / "runs.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
