"""One limit a minute, as a decision: never over it, and no slower than it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pacing import Gcra
from tests.pace.hosts import (
    busiest_minute,
)


@given(
    per_minute=st.integers(1, 400),
    burst=st.none() | st.floats(1, 500),
    wishes=st.lists(st.tuples(st.floats(0, 20), st.integers(1, 5)), max_size=250),
)
@settings(max_examples=60, deadline=None)
def test_no_minute_ever_holds_more_than_the_limit_the_burst_included(
    per_minute: int, burst: float | None, wishes: list[tuple[float, int]]
) -> None:
    gcra, now, came = Gcra(per_minute, burst), 0.0, []
    for idle, wish in wishes:
        weight = min(wish, per_minute)
        now += idle
        while (wait := gcra.wait(now, weight)) > 0:
            now += wait
        gcra.book(now, weight)
        came.append((now, float(weight)))
    assert busiest_minute(came) <= per_minute


@given(per_minute=st.integers(1, 3000), count=st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_work_that_waits_goes_at_the_limit(per_minute: int, count: int) -> None:
    gcra, now = Gcra(per_minute), 0.0
    for _ in range(count):
        now += gcra.wait(now)
        gcra.book(now)
    assert now <= count / per_minute * 60 * 1.004


def test_default_burst_is_at_most_a_seconds_worth_and_at_least_one() -> None:
    assert Gcra(1200).burst == pytest.approx(16)
    assert Gcra(5).burst == 1
    assert Gcra(1200, 3).burst == 3
    assert Gcra(10, 50).burst == 10


def test_a_slot_given_back_can_be_taken_by_another() -> None:
    gcra = Gcra(60, 1)
    booking = gcra.book(0.0)
    assert gcra.wait(0.0) == pytest.approx(1.0)
    gcra.give_back(booking)
    gcra.give_back(booking)
    assert gcra.wait(0.0) == 0


def test_a_penalty_holds_all_and_ends_without_a_burst() -> None:
    gcra = Gcra(600, 5)
    gcra.penalise(10.0)
    assert gcra.wait(0.0) == pytest.approx(10.0)
    gcra.book(10.0)
    assert gcra.wait(10.0) == pytest.approx(0.1)
    unlimited = Gcra(None)
    unlimited.penalise(3.0)
    assert unlimited.wait(1.0) == pytest.approx(2.0)


def test_what_is_heavier_than_the_limit_passes_alone() -> None:
    gcra = Gcra(100)
    gcra.book(0.0, 1)
    assert gcra.wait(0.0, 5000) > 59
    gcra.book(70.0, 5000)
    assert gcra.wait(71.0, 1) > 50


def test_a_lower_limit_counts_what_was_started_before() -> None:
    gcra = Gcra(600, 10)
    for _ in range(10):
        gcra.book(0.0)
    gcra.set_limit(10)
    assert gcra.wait(1.0) > 50
