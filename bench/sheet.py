"""The contact sheet's figures: making one of so many assets, and the time to its first picture in Chromium.

python -m bench.sheet [--assets 2000] [--rounds 3]

Every asset has a picture of its own of 1024 x 1024 pixels and a story. `first` makes everything, `again` finds the
thumbnails there. Each way runs in a process of its own: CPU seconds (user and system, all threads) and wall seconds of
the writing alone, the highest memory of the whole process (VmHWM) and how much of it was there before (the imports and
the ledger's rows). The first picture is one that is decoded, in a new page of a browser that runs already.
"""

import argparse
import json
import pickle
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench.memory import high_water
from pipeline.domain.digest import Digest, digest_of
from pipeline.domain.image import Facts, Format, Image
from pipeline.sheet.model import SheetData
from pipeline.sheet.writing import write
from tests.sheet.making import Night, drawn, many
from tests.sheet.opening import CHROMIUM, chromium, first_picture

SIDE: Final = 1024
WAYS: Final = ("first", "again")


@cache
def base(number: int) -> bytes:
    return drawn(str(number), width=SIDE, height=SIDE)


class Large(Night):
    """Pictures that are made quickly: a few, each with another name at its end."""

    def picture(self, text: str, **_: Any) -> Image:
        data = base(len(self.pictures) % 16) + text.encode()
        digest = digest_of(data)
        self.pictures[digest] = data
        facts = Facts(format=Format.PNG, width=SIDE, height=SIDE, has_alpha=False)
        return Image(digest=digest, size=len(data), facts=facts)


def fill(folder: Path, assets: int) -> None:
    """The pictures and the rows on disk, as a run leaves them."""
    made, data = many(assets, Large())
    made.finder(folder / "output" / "shop")
    (folder / "rows").write_bytes(pickle.dumps(data))


def one(way: str, folder: Path) -> None:
    data: SheetData = pickle.loads((folder / "rows").read_bytes())
    output = folder / "output" / "shop"
    if way == "first":
        shutil.rmtree(output / "thumbs", ignore_errors=True)
    kept = output.parent / ".pipeline" / "images"

    def find(digest: Digest) -> Path | None:
        path = kept / digest[:2] / f"{digest}.png"
        return path if path.is_file() else None

    before = high_water()
    cpu, wall = time.process_time(), time.perf_counter()
    page = write(output, data, find)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    told = {"cpu": cpu, "wall": wall, "before": before, "peak": high_water(), "bytes": page.stat().st_size}
    print(json.dumps(told))


def compare(folder: Path, assets: int, rounds: int) -> None:
    child = [sys.executable, "-m", "bench.sheet", "--folder", str(folder), "--assets", str(assets), "--way"]
    subprocess.run([*child, "fill"], check=True)
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way, results in found.items():
            answer = subprocess.run([*child, way], check=True, capture_output=True, text=True)
            results.append(json.loads(answer.stdout))
    for way, results in found.items():
        cpu, wall = ([result[name] for result in results] for name in ("cpu", "wall"))
        print(
            f"{assets:,} assets, {way}: {statistics.median(cpu):.2f} s of CPU ({min(cpu):.2f} to {max(cpu):.2f}),"
            f" {statistics.median(wall):.2f} s wall, {max(result['peak'] for result in results):.0f} MB at most"
            f" ({results[0]['before']:.0f} of them before it), page of {results[0]['bytes'] / 1e6:.2f} MB",
            flush=True,
        )


def look(page: Path, rounds: int) -> None:
    if CHROMIUM is None:
        print("no Chromium here: the time to the first picture is not measured")
        return
    with chromium() as browser:
        taken = []
        for _ in range(rounds):
            opened, seconds = first_picture(browser, page)
            opened.close()
            taken.append(seconds * 1000)
    print(f"first picture after {statistics.median(taken):.0f} ms ({min(taken):.0f} to {max(taken):.0f})")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--assets", type=int, default=2_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--way", choices=[*WAYS, "fill"], help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.way == "fill":
        fill(asked.folder, asked.assets)
    elif asked.way:
        one(asked.way, asked.folder)
    else:
        output = Path(__file__).parent / "output"
        output.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output) as temporary:
            compare(Path(temporary), asked.assets, asked.rounds)
            look(Path(temporary) / "output" / "shop" / "index.html", 2 * asked.rounds + 1)


if __name__ == "__main__":
    main()
