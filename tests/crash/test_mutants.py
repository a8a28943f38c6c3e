"""Bugs planted in a copy of the package: our own instruments must find them, so they are instruments."""

from collections import Counter
from pathlib import Path

import pytest

from tests.crash.campaign import Case, campaign
from tests.crash.mutants import MUTANTS, plant
from tests.crash.scenes import Kill


@pytest.mark.parametrize("name", MUTANTS)
def test_every_bug_can_still_be_planted(name: str, tmp_path: Path) -> None:
    package = plant(MUTANTS[name], tmp_path)
    for file, _, _ in MUTANTS[name].changes:
        compile((package / "pipeline" / file).read_text(), name, "exec")


def test_there_are_enough_of_both_kinds() -> None:
    counts = Counter(mutant.found_by for mutant in MUTANTS.values())
    assert counts["kills"] >= 6
    assert counts["power cuts"] >= 6


SHOWN_BY = {
    "no mark before the first byte": (Kill(at="spool.head:2"),),
    "spool dropped before the receipt": (Kill(at="receipt.write:2"),),
    "what is unknown is asked again": (Kill(at="spool.head:2"),),
    "two attempts of one number": (Kill(at="attempt.answered:3"),),
    "a file goes with its first attempt": (Kill(at="image.kept:2"), Kill(at="spool.discarded:2")),
}


@pytest.mark.parametrize("name", SHOWN_BY)
def test_kills_at_the_right_moments_show_it(name: str, tmp_path: Path) -> None:
    package = plant(MUTANTS[name], tmp_path / "mutant")
    # Which of four answers a kill finds on its way is not in its hands: it may need more than one.
    stories = [Case(at_once=4, kills=SHOWN_BY[name], lose=False, seed=seed) for seed in range(10)]
    assert campaign(stories, package=package, folder=tmp_path / "kills", stop_at_fault=True).faults
