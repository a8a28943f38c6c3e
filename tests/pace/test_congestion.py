"""What 429s teach: limits are found with few refusals, and random ones do not stop the night."""

import random

import anyio
import pytest

from pipeline.domain.capability import Limits
from pipeline.pacing import LearnedLimits, Paced, Pacer
from pipeline.pacing.congestion import Congestion
from pipeline.retrying import Retrying, RetryPolicy
from pipeline.schedule import Ended, Lane, run_schedule
from tests.pace.hosts import (
    Bucket,
    Count,
    Counted,
    Windowed,
    ask_all,
    in_virtual_time,
    request,
)


def _run(
    limits: Limits, host: Bucket | Windowed, works: int = 300, learned: LearnedLimits | None = None
) -> tuple[float, Pacer]:
    """Seconds and pacer of a whole run: schedule, retries and pacer around a host."""

    async def main() -> tuple[float, Pacer]:
        pacer, luck = Pacer(limits, learned=learned), random.Random(3)
        provider = Retrying(
            Paced(host, pacer), RetryPolicy(), recorder=lambda event: None, luck=luck.random, halted=pacer.halted
        )

        async def execute(work: int) -> Ended[None]:
            await provider.render(request())
            return Ended(outcome=None)

        await run_schedule(Count(works), execute, [Lane(name="host", seats=pacer.seat, close=pacer.close)])
        return anyio.current_time(), pacer

    return in_virtual_time(main)


IDEAL = 14.2
"""Seconds for 300 requests of 0.2 s at 20 a second behind a burst of 20."""


@pytest.mark.parametrize("jitter", [0.0, 0.005, 0.03])
@pytest.mark.parametrize("limits", [Limits(concurrency=32, requests_per_minute=1200), Limits(requests_per_minute=1200)])
def test_a_known_limit_earns_no_refusals_and_loses_no_time(limits: Limits, jitter: float) -> None:
    host = Bucket(rate=20, burst=20, seconds=0.2, jitter=jitter)
    seconds, _ = _run(limits, host)
    assert host.done == 300
    assert host.refused <= 3
    assert seconds <= 1.04 * IDEAL


@pytest.mark.parametrize("jitter", [0.0, 0.005, 0.03])
@pytest.mark.parametrize("retry_after", [1.0, None])
@pytest.mark.parametrize("limits", [Limits(concurrency=32), Limits()])
def test_an_unknown_limit_is_found_with_few_refusals(limits: Limits, retry_after: float | None, jitter: float) -> None:
    host = Bucket(rate=20, burst=20, seconds=0.2, jitter=jitter, retry_after=retry_after)
    seconds, pacer = _run(limits, host)
    assert host.done == 300
    assert host.refused <= 15
    assert seconds <= 1.25 * IDEAL
    found = pacer.learned().found_per_minute
    assert found is not None
    assert 900 <= found <= 1400


@pytest.mark.parametrize("sliding", [True, False])
@pytest.mark.parametrize("limit", [5, 60, 600])
def test_a_known_limit_is_kept_however_minutes_are_counted(limit: int, *, sliding: bool) -> None:
    host = Windowed(limit=limit, span=60, sliding=sliding, seconds=2.0)
    seconds, _ = _run(Limits(requests_per_minute=limit), host, works=3 * limit)
    assert host.refused == 0
    assert seconds <= 1.05 * 180 + 2


@pytest.mark.parametrize("sliding", [True, False])
def test_a_limit_that_is_counted_by_seconds_loses_its_burst_first(*, sliding: bool) -> None:
    host = Windowed(limit=20, span=1, sliding=sliding, seconds=0.2)
    seconds, pacer = _run(Limits(requests_per_minute=1200), host)
    assert host.done == 300
    assert host.refused <= 5
    assert (pacer.requests_per_minute or 0) >= 1100
    assert seconds <= 1.2 * 15.0


@pytest.mark.parametrize("sliding", [True, False])
@pytest.mark.parametrize(("limit", "span", "ratio"), [(20, 1.0, 1.7), (60, 60.0, 1.1)])
def test_an_unknown_window_is_found_too(limit: int, span: float, ratio: float, *, sliding: bool) -> None:
    host = Windowed(limit=limit, span=span, sliding=sliding, seconds=0.5)
    seconds, _ = _run(Limits(concurrency=16), host, works=600)
    assert host.done == 600
    assert host.refused <= 40
    assert seconds <= ratio * 600 / limit * span


def test_what_was_found_is_used_the_next_night() -> None:
    first = Bucket(rate=20, burst=20, seconds=0.2)
    _, pacer = _run(Limits(concurrency=32), first)
    second = Bucket(rate=20, burst=20, seconds=0.2)
    seconds, _ = _run(Limits(concurrency=32), second, learned=pacer.learned().aged(86_400))
    assert second.refused <= 5
    assert seconds <= 1.15 * IDEAL


def test_refusals_at_random_cost_their_cool_downs_and_not_the_night() -> None:
    host = Bucket(rate=1e9, burst=1e9, seconds=0.4, at_random=0.05)
    seconds, _ = _run(Limits(concurrency=32), host, works=640)
    assert host.done == 640
    assert seconds < 4 * host.refused * 1.0 + 20


def test_a_slow_limit_of_five_a_minute_is_found() -> None:
    host = Bucket(rate=5 / 60, burst=5, seconds=30, retry_after=12.0)
    seconds, _ = _run(Limits(), host, works=60)
    assert host.refused <= 15
    assert seconds <= 1.25 * (55 * 12 + 30)


def test_no_limit_at_all_is_ramped_up_to_within_a_few_answers() -> None:
    host = Bucket(rate=1e9, burst=1e9, seconds=0.4)
    seconds, pacer = _run(Limits(concurrency=32), host, works=640)
    assert seconds <= 1.02 * 8.0
    gentle = Bucket(rate=1e9, burst=1e9, seconds=0.4)
    seconds, pacer = _run(Limits(), gentle, works=640)
    assert pacer.concurrency == 64
    assert seconds <= 1.5 * 640 * 0.4 / 64 + 8 * 0.4


def test_nothing_configured_starts_with_four() -> None:
    async def main() -> None:
        host = Counted(lambda: 10.0)
        with anyio.move_on_after(9):
            await ask_all(Pacer(Limits()), host, 50)
        assert host.most_at_once == 4

    in_virtual_time(main)


def test_refusals_of_requests_sent_before_the_cut_do_not_cut_again() -> None:
    congestion = Congestion(ceiling=32)
    for _ in range(32):
        congestion.started(0.0)
    cuts = [congestion.throttled(1.0, sent_at=0.0, retry_after=2.0, in_flight=32 - n) for n in range(12)]
    assert cuts == [2.0] + [0.0] * 11
    assert congestion.concurrency == 16
    congestion.started(3.5)
    assert congestion.throttled(4.0, sent_at=3.5, retry_after=2.0, in_flight=16) == 2.0
    assert congestion.concurrency == 8


def test_cool_downs_without_a_word_of_the_host_double_until_something_succeeds() -> None:
    congestion, now, waits = Congestion(ceiling=4), 0.0, []
    for _ in range(8):
        congestion.started(now)
        waits.append(congestion.throttled(now, sent_at=now, retry_after=None, in_flight=1))
        now += waits[-1] + 0.1
    assert waits == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
    congestion.answered(now, seconds=1.0, full=True, paced=False)
    assert congestion.throttled(now + 1, sent_at=now + 1, retry_after=None, in_flight=1) == 1


def test_concurrency_does_not_grow_while_nothing_waits_for_it() -> None:
    congestion = Congestion()
    for _ in range(50):
        congestion.answered(1.0, seconds=1.0, full=False, paced=False)
    assert congestion.concurrency == 4
    for _ in range(500):
        congestion.answered(1.0, seconds=1.0, full=True, paced=False)
    assert congestion.concurrency == 64
