"""Many stories with many kills: at every named failpoint, several hits, and at random moments.

``python -m tests.crash.campaign --kills 1000`` is the long form (`make crash`); the suite runs a short one.
"""

import random
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.domain.failpoint import FAILPOINTS
from tests.crash.program import ROOT, Server, serving
from tests.crash.scenes import Kill, Story
from tests.crash.witness import Witness

HITS = (1, 2, 3, 5)
DECIDING = "decision.written"


@dataclass(slots=True, kw_only=True)
class Figures:
    """What a campaign came to."""

    stories: int = 0
    kills: int = 0
    sales: int = 0
    delivered: int = 0
    unknown: int = 0
    rebuilds: int = 0
    seconds: float = 0.0
    reached: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        return (
            f"{self.kills} kills in {self.stories} stories, {len(self.reached)} of {len(FAILPOINTS)} failpoints,"
            f" {self.sales} requests sold, {self.delivered} read whole, {self.unknown} unknown,"
            f" {self.rebuilds} lost ledgers rebuilt, {len(self.faults)} faults, {self.seconds:.0f} s"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One story: how many requests at once, when it is killed, and whether its ledger is lost on the way."""

    at_once: int
    kills: tuple[Kill, ...]
    lose: bool
    seed: int


def cases(kills: int, seed: int, per_story: int = 5) -> Iterator[Case]:
    """Enough stories for so many kills: every failpoint at every hit first, at 1, 4 and 8 at once, then random ones."""
    luck = random.Random(seed)
    named = [name for name in FAILPOINTS if name != DECIDING]
    planned = [Kill(at=f"{name}:{hit}") for hit in HITS for name in luck.sample(named, len(named))]
    number = 0
    while kills > 0:
        chosen = [planned.pop(0) if planned and index % 2 == 0 else _random(luck) for index in range(per_story)]
        if not planned:
            chosen[0] = Kill(at=f"{luck.choice(named)}:{luck.choice(HITS)}")
        yield Case(at_once=(4, 1, 8)[number % 3], kills=tuple(chosen), lose=number % 4 == 3, seed=seed + number)
        number += 1
        kills -= per_story


def _random(luck: random.Random) -> Kill:
    return Kill(after=0.05 + luck.random() * 0.5)


def tell(case: Case, folder: Path, server: Server, figures: Figures) -> None:
    """Tells one story and adds it to the figures; its folder goes when nothing was found."""
    folder.mkdir(parents=True)
    with Witness(folder / "bill", seed=case.seed).open() as witness:
        story = Story(folder=folder / "work", server=server, witness=witness, at_once=case.at_once)
        for number, kill in enumerate(case.kills):
            if story.run(kill).killed and kill.at:
                figures.reached.add(kill.at.partition(":")[0])
            if case.lose and number == case.seed % len(case.kills):
                story.lose_ledger()
                figures.rebuilds += 1
        before = story.kills
        story.finish(kill=Kill(at=f"{DECIDING}:1") if case.seed % 2 else None)
        if story.kills > before:
            figures.reached.add(DECIDING)
        figures.stories += 1
        figures.kills += story.kills
        figures.unknown += story.unknown
        figures.sales += len(witness.sales())
        figures.delivered += len(witness.delivered)
        figures.faults += [f"{fault} (seed {case.seed}, {case.at_once} at once)" for fault in story.faults]
    if not story.faults:
        shutil.rmtree(folder)


def campaign(told: Sequence[Case], *, package: Path = ROOT, folder: Path, stop_at_fault: bool = False) -> Figures:
    """Tells every story with the ``pipeline`` of *package*."""
    figures, began = Figures(), time.monotonic()
    with serving(folder / "server", package=package) as server:
        for case in told:
            tell(case, folder / f"case-{case.seed}", server, figures)
            if stop_at_fault and figures.faults:
                break
    figures.seconds = time.monotonic() - began
    return figures


def main(kills: int, seed: int) -> int:
    """The long form, until there were so many kills."""
    folder = Path(tempfile.mkdtemp(prefix="crash-"))
    figures, began, reported = Figures(), time.monotonic(), 0
    with serving(folder / "server") as server:
        for case in cases(100 * kills, seed):
            tell(case, folder / f"case-{case.seed}", server, figures)
            figures.seconds = time.monotonic() - began
            told, reported = figures.faults[reported:], len(figures.faults)
            for fault in told:
                print(fault, flush=True)  # noqa: T201
            if figures.stories % 20 == 0 or figures.kills >= kills:
                print(figures.line(), flush=True)  # noqa: T201
            if figures.kills >= kills:
                break
    print(f"failpoints never reached: {', '.join(sorted(set(FAILPOINTS) - figures.reached)) or 'none'}")  # noqa: T201
    return 1 if figures.faults else 0


if __name__ == "__main__":
    import argparse
    import sys

    parser = argparse.ArgumentParser(description="Kills the program and checks what it leaves.")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    sys.exit(main(given.kills, given.seed))
