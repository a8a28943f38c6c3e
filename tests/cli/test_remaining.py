"""The time left, on a clock of our own: right from a tenth of a run on, in waves, under a limit and with luck."""

import random
from collections.abc import Callable
from heapq import heappop, heappush

import pytest

from pipeline.app.tally import Tally
from pipeline.cli.remaining import Remaining
from pipeline.domain.event import AssetSettled, AttemptEnded, AttemptSent, Event, RunStarted
from pipeline.domain.money import MicroUsd
from pipeline.domain.record import AttemptId, Outcome, RunId, State
from pipeline.domain.step import AssetName

ASSET = AssetName("s")
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
    said: list[tuple[float, float]] = []
    now, started, free, second = 0.0, 0, 0.0, 0.0

    def happens(*events: Event) -> None:
        for event in events:
            tally(event)
            remaining(event, now)

    happens(RunStarted(run_id=RunId("r"), manifest="m", totals=(("s", count),), budget=None))
    while started < count or flying:
        start = max(now, free) if started < count and len(flying) < at_once else float("inf")
        until = min(start, flying[0][0] if flying else float("inf"))
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
        else:
            _, number = heappop(flying)
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
