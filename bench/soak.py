"""Hours of work in minutes, watched for what grows: memory, open files, threads.

python -m bench.soak [--pictures 20000] [--concurrency 32]

One run of the real command against a loopback host of small pictures. From a tenth of it on, its resident memory, its
descriptors and its threads are read once a second; the last tenth is set beside the first that was read.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent

MANIFEST = """\
version: 1
name: soak
providers: {{host: {{preset: openai, base_url: "{base}", limits: {{concurrency: {concurrency}}}}}}}
models: {{main: {{provider: host, model: gpt-image-2, params: {{size: 1024x1024, quality: low}}}}}}
shots: {{a: {{matrix: {{x: [{tens}], y: [{rest}]}}, prompt: "thing {{{{ x }}}} {{{{ y }}}}"}}}}
"""

GROWTH_MB = 56
"""The ledger's page cache may fill to 48 MB; a leak of three kilobytes a picture would pass this at 20,000."""


def look(pid: int) -> tuple[float, int, int]:
    """MB resident, descriptors, threads of a process. Raises OSError when it is gone."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in status)
    return (
        int(fields["VmRSS"].split()[0]) / 1024,
        sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()),
        int(fields["Threads"]),
    )


def main(pictures: int, concurrency: int) -> int:
    host = subprocess.Popen(
        [sys.executable, str(HERE / "host.py"), "--size", "2000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout
    base = f"http://127.0.0.1:{json.loads(host.stdout.readline())['port']}/v1"
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "soak.yaml"
        tens, rest = ", ".join(map(str, range(10))), ", ".join(map(str, range(pictures // 10)))
        manifest.write_text(MANIFEST.format(base=base, concurrency=concurrency, tens=tens, rest=rest))
        began = time.monotonic()
        run = subprocess.Popen([sys.executable, "-m", "pipeline", "run", str(manifest), "--no-sheet"], cwd=HERE.parent)
        seen: list[tuple[float, int, int]] = []
        while run.poll() is None:
            time.sleep(1)
            try:
                seen.append(look(run.pid))
            except (OSError, KeyError):
                break
        run.wait()
        seconds = time.monotonic() - began
        made = sum(1 for _ in (Path(folder) / "output" / "soak").rglob("*.png"))
    host.communicate("")
    if run.returncode or len(seen) < 20:
        print(f"exit {run.returncode}, looked at {len(seen)} times: too short to tell (use more --pictures)")
        return 1
    tenth = len(seen) // 10
    first, last = seen[tenth : 2 * tenth], seen[-tenth:]
    told = [[statistics.median(each[at] for each in some) for at in range(3)] for some in (first, last)]
    print(f"{made} pictures in {seconds:.0f} s, exit {run.returncode}")
    for name, before, after in zip(("MB resident", "descriptors", "threads"), *told, strict=True):
        print(f"{name:<12} {before:8.1f} after a tenth, {after:8.1f} at the end")
    grown = told[1][0] - told[0][0]
    leaks = grown > GROWTH_MB or told[1][1] > told[0][1] + concurrency or told[1][2] > told[0][2] + 8
    return 1 if leaks or made != pictures else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=32)
    given = parser.parse_args()
    sys.exit(main(given.pictures, given.concurrency))
