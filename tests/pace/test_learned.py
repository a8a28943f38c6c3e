"""What headers say of limits, and what is kept of it."""

import anyio
import pytest

from pipeline.domain.capability import Limits
from pipeline.pacing import LearnedLimits, Pacer, Stated, seconds_of, stated_by
from tests.pace.hosts import (
    in_virtual_time,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m2.5s", 62.5),
        ("120ms", 0.12),
        ("58.891s", 58.891),
        ("1ms", 0.001),
        ("6m0s", 360.0),
        ("1h2m3s", 3723.0),
        ("1d", 86400.0),
        ("2", 2.0),
        ("0", 0.0),
        (" 3s ", 3.0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("nan", None),
        ("1700000000", None),
        ("1700000000000", None),
        ("Sat, 21 Nov 2026 11:37:43 GMT", None),
    ],
)
def test_resets_are_read_as_people_write_them(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "per_minute"),
    [
        ("5000", "4999", "12ms", 5000),
        ("5", "4", "12s", 5),
        ("60", "59", "58", 60),
        ("1200", "1199", "1", 1200),
        ("20", "19", "0.05s", 1200),
        ("20", "19", "1", None),
        ("200", "199", "7m12s", None),
        ("60", "60", "1s", None),
        ("60", "", "", 60),
        ("junk", "59", "1s", None),
        ("0", "0", "1s", None),
    ],
)
def test_a_stated_limit_is_believed_where_it_is_one_per_minute(
    limit: str, remaining: str, reset: str, per_minute: float | None
) -> None:
    headers = {
        "x-ratelimit-limit-requests": limit,
        "x-ratelimit-remaining-requests": remaining,
        "x-ratelimit-reset-requests": reset,
    }
    stated = stated_by({name: value for name, value in headers.items() if value})
    told = stated[0].per_minute() if stated else None
    assert told == (None if per_minute is None else pytest.approx(per_minute))


def test_headers_of_every_kind_are_told_apart() -> None:
    stated = stated_by(
        {
            "x-ratelimit-limit-input-images": "5",
            "x-ratelimit-limit-tokens": "250000",
            "ratelimit-limit": "100, 100;w=60",
            "content-type": "application/json",
        }
    )
    assert {one.kind: one.limit for one in stated} == {"images": 5, "tokens": 250000, "requests": 100}


def test_nothing_left_holds_until_the_reset_but_not_until_tomorrow() -> None:
    assert Stated(kind="images", remaining=0, reset=12.0).hold() == 12
    assert Stated(kind="images", remaining=1, reset=12.0).hold() == 0
    assert Stated(kind="images", remaining=0, reset=40_000.0).hold() == 0
    assert Stated(kind="images", remaining=0).hold() == 0


def test_a_stated_limit_paces_and_a_manifest_limit_stays_a_ceiling() -> None:
    async def main() -> None:
        free, bounded = Pacer(Limits()), Pacer(Limits(requests_per_minute=30))
        for pacer in (free, bounded):
            pacer.observe({"x-ratelimit-limit-requests": "60"}, 200)
        assert free.requests_per_minute == 60
        assert bounded.requests_per_minute == 30
        bounded.observe({"x-ratelimit-limit-requests": "10"}, 200)
        assert bounded.requests_per_minute == 10
        assert bounded.learned().requests_per_minute == 10

    in_virtual_time(main)


def test_a_host_that_always_says_nothing_remains_is_soon_not_believed() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(concurrency=1))
        empty = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20s"}
        for _ in range(30):
            async with pacer.turn():
                await anyio.sleep(1)
            pacer.observe(empty, 200)
        assert anyio.current_time() < 100

    in_virtual_time(main)


def test_a_host_that_runs_dry_now_and_then_is_waited_for_every_time() -> None:
    async def main() -> None:
        pacer = Pacer(Limits(concurrency=1))
        for asked in range(40):
            async with pacer.turn():
                await anyio.sleep(1)
            left = 9 - asked % 10
            pacer.observe({"x-ratelimit-remaining-requests": str(left), "x-ratelimit-reset-requests": "30s"}, 200)
        assert anyio.current_time() == pytest.approx(40 + 3 * 30, abs=1)

    in_virtual_time(main)


def test_what_was_learned_survives_as_json_and_fades() -> None:
    learned = LearnedLimits(concurrency=12.0, found_per_minute=100.0, images_per_minute=5.0, seconds=20.0)
    assert LearnedLimits.from_json(learned.as_json()) == learned
    assert LearnedLimits.from_json({"concurrency": -1, "nonsense": 3, "seconds": True, "found_per_minute": "9"}) == (
        LearnedLimits()
    )
    week = learned.aged(7 * 86400)
    assert (week.found_per_minute, week.concurrency, week.images_per_minute) == (200, 6, 5)
    assert learned.aged(31 * 86400) == LearnedLimits()
    assert learned.aged(0) == learned
