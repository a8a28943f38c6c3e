"""The time left, on a clock of our own: right from a tenth of a run on, in waves, under a limit and with luck."""

import random
from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush

import pytest

from pipeline.app.tally import Tally
from pipeline.cli.remaining import Remaining
from pipeline.domain.event import AssetSettled, AttemptEnded, AttemptSent, Event, RunStarted
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Outcome, RunId, State
from pipeline.domain.step import AssetName

ASSET = AssetName("s")
LAG = 0.2
"""Seconds until an end is told whose place is another's at once."""
Latency = Callable[[random.Random], float]


def sent(number: int) -> AttemptSent:
    attempt = AttemptId(str(number))
    return AttemptSent(attempt_id=attempt, assets=(ASSET,), provider="p", model="m", worst=MicroUsd(0), repeat=False)


def ended(number: int) -> AttemptEnded:
    return AttemptEnded(
        attempt_id=AttemptId(str(number)),
        assets=(ASSET,),
        provider="p",
        outcome=Outcome.DONE,
        http_status=200,
        code="",
        message="",
        request_id="",
        images=1,
        usd=MicroUsd(0),
        seconds=0.0,
    )


def told(count: int, at_once: int, gap: float, latency: Latency, seed: int) -> tuple[float, list[tuple[float, float]]]:
    """When a run ended, and at each of its seconds when it was said to end. gap: seconds between two starts."""
    luck, tally = random.Random(seed), Tally()
    remaining = Remaining(tally)
    flying: list[tuple[float, int]] = []
    untold: list[tuple[float, int]] = []
    said: list[tuple[float, float]] = []
    now, started, free, second = 0.0, 0, 0.0, 0.0

    def happens(*events: Event) -> None:
        for event in events:
            tally(event)
            remaining(event, now)

    happens(RunStarted(run_id=RunId("r"), manifest="m", totals=(("s", count),), budget=None))
    while started < count or flying or untold:
        start = max(now, free) if started < count and len(flying) < at_once else float("inf")
        until = min([start, *(at for at, _ in (*flying[:1], *untold[:1]))])
        while second < until:
            left = remaining.seconds(0.0, second)
            if left is not None:
                said.append((second, second + left))
            second += 1
        now = until
        if until == start:
            happens(sent(started))
            heappush(flying, (now + latency(luck), started))
            started, free = started + 1, now + gap
        elif flying and until == flying[0][0]:
            heappush(untold, (now + LAG, heappop(flying)[1]))
        else:
            _, number = heappop(untold)
            done = AssetSettled(
                asset=ASSET, shot="s", state=State.DONE, reason="", cached=False, path="", usd=MicroUsd(0)
            )
            happens(ended(number), done)
    return now, said


def worst(end: float, said: list[tuple[float, float]]) -> float:
    """The largest error from a tenth of the run on, as a share of the whole."""
    return max(abs(told - end) / end for at, told in said if at >= end / 10)


@pytest.mark.parametrize(("count", "at_once", "gap"), [(200, 8, 0), (300, 32, 0), (200, 16, 6), (60, 4, 0)])
def test_even_answers_are_foretold_within_a_tenth(count: int, at_once: int, gap: float) -> None:
    assert worst(*told(count, at_once, gap, lambda _: 60.0, 0)) < 0.1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("count", "at_once", "gap", "bound"),
    [
        pytest.param(1_000, 16, 0, 0.15, id="a night"),
        pytest.param(200, 16, 0, 0.15, id="an evening"),
        pytest.param(200, 32, 6, 0.1, id="one every six seconds"),
        pytest.param(300, 32, 0, 0.2, id="ten for each place"),
    ],
)
def test_answers_of_30_to_120_seconds_are_foretold(
    count: int, at_once: int, gap: float, bound: float, seed: int
) -> None:
    assert worst(*told(count, at_once, gap, lambda luck: luck.uniform(30, 120), seed)) < bound


def test_a_quick_refusal_and_a_long_pause_are_not_taken_for_the_pace() -> None:
    tally = Tally()
    remaining = Remaining(tally)

    def happens(now: float, *events: Event) -> None:
        for event in events:
            tally(event)
            remaining(event, now)

    def done(state: State) -> AssetSettled:
        return AssetSettled(asset=ASSET, shot="s", state=state, reason="", cached=False, path="", usd=MicroUsd(0))

    happens(0.0, RunStarted(run_id=RunId("r"), manifest="m", totals=(("s", 100),), budget=None))
    for number in range(32):
        happens(0.0, sent(number))
    happens(0.5, replace(ended(0), outcome=Outcome.REFUSED), done(State.REFUSED), sent(32))
    assert remaining.seconds(0.0, 60.0) is None
    for number in range(1, 32):
        happens(100.0, ended(number), done(State.DONE), sent(32 + number))
    assert remaining.seconds(0.0, 100.0) == pytest.approx(300, rel=0.05)
    for number in range(32, 64):
        happens(800.0, ended(number), done(State.DONE), sent(32 + number))
    left = remaining.seconds(0.0, 800.0)
    assert left is not None
    assert left < 2_500
