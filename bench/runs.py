"""Whole runs against scripts of the same work on the same loopback host: CPU and wall seconds per picture.

    make bench                                       # 2,000 x 20 kB at 64 at once, 300 x 2 MB at 16, three rounds
    .venv/bin/python bench/runs.py --share 0.2 --rounds 1

CPU is user + system time of the finished process as the kernel counts it, less that of a run of one picture. Ours
runs with everything on: durable intents, spool, receipts, hashes, structure checks, ledger, output tree; no sheet.
"ours over stock httpx" is the same program with PIPELINE_TRANSPORT=httpx. The host has core 1 to itself and the
scripts core 0, where there are two; ratios are taken inside a round, and the raw figures of every round are kept in
bench/results/runs.json.
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
WORKS = (("2,000 x 20 kB, 64 at once", 20_000, 2000, 64), ("300 x 2 MB, 16 at once", 2_000_000, 300, 16))

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


@dataclass(frozen=True)
class Work:
    base: str
    count: int
    concurrency: int
    folder: Path


def ours(work: Work) -> list[str]:
    numbers = ", ".join(str(number) for number in range(work.count))
    manifest = work.folder / "bench.yaml"
    manifest.write_text(MANIFEST.format(base=work.base, concurrency=work.concurrency, numbers=numbers))
    return [sys.executable, "-m", "pipeline", "run", str(manifest), "--no-sheet"]


def over_httpx(work: Work) -> list[str]:
    return ["env", "PIPELINE_TRANSPORT=httpx", *ours(work)]


def plain(work: Work) -> list[str]:
    return script("plain.py", work)


def sdk(work: Work) -> list[str]:
    return script("sdk.py", work)


def script(name: str, work: Work) -> list[str]:
    return [sys.executable, str(HERE / name), work.base, str(work.count), str(work.concurrency), str(work.folder)]


PEERS: dict[str, Callable[[Work], list[str]]] = {
    "ours": ours,
    "ours over stock httpx": over_httpx,
    "httpx script": plain,
    "openai script": sdk,
}


def on(core: int) -> list[str]:
    """What pins a command to a core where there are several."""
    return ["taskset", "-c", str(core)] if sys.platform == "linux" and (os.cpu_count() or 1) > 1 else []


def measure(command: list[str]) -> Cost:
    began = time.perf_counter()
    process = subprocess.Popen([*on(0), *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    if status:
        raise SystemExit(f"{command}: {process.stderr.read().decode()[-2000:] if process.stderr else status}")
    return Cost(cpu=usage.ru_utime + usage.ru_stime, wall=wall, peak_mb=usage.ru_maxrss / 1024)


def one(peer: str, base: str, count: int, concurrency: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        return measure(PEERS[peer](Work(base, count, concurrency, Path(folder))))


def rounds_of(size: int, count: int, concurrency: int, rounds: int) -> list[dict[str, dict[str, float]]]:
    """By round and peer: CPU ms a picture, start-up taken off, and the rest as it was measured."""
    host = subprocess.Popen(
        [*on(1), sys.executable, str(HERE / "host.py"), str(size)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout
    assert host.stdin
    base = f"http://127.0.0.1:{json.loads(host.stdout.readline())['port']}/v1"
    try:
        found = []
        for _ in range(rounds):
            told = {}
            for peer in PEERS:
                start, whole = one(peer, base, 1, concurrency), one(peer, base, count, concurrency)
                each = (whole.cpu - start.cpu) / (count - 1) * 1000
                told[peer] = {"cpu_ms": each, "start_cpu_s": start.cpu, **asdict(whole)}
            found.append(told)
        return found
    finally:
        host.stdin.close()
        host.wait()


def table(found: list[dict[str, dict[str, float]]]) -> str:
    """Medians over the rounds; ratios inside a round to the httpx script."""
    lines = [
        "| | CPU ms each | x httpx script | wall s | peak MB | start-up CPU s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for peer in PEERS:

        def middle(name: str, peer: str = peer) -> float:
            return statistics.median(told[peer][name] for told in found)

        ratio = statistics.median(told[peer]["cpu_ms"] / told["httpx script"]["cpu_ms"] for told in found)
        lines.append(
            f"| {peer} | {middle('cpu_ms'):.2f} | {ratio:.2f} | {middle('wall'):.1f} | {middle('peak_mb'):.0f} | "
            f"{middle('start_cpu_s'):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the pictures")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    kept: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count(), "share": given.share}
    kept["load_before"] = os.getloadavg()
    for name, size, count, concurrency in WORKS:
        found = rounds_of(size, max(2, int(count * given.share)), concurrency, given.rounds)
        kept[name] = found
        print(f"{name} (x {given.share:g})\n\n{table(found)}\n", flush=True)
    kept["load_after"] = os.getloadavg()
    (RESULTS / "runs.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
