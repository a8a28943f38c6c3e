"""How long requests take: those that are awaited count too, and the rest of a run is played through."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.cli.survival import Survival, time_left

SECONDS = st.floats(0.01, 1_000)


def test_where_all_ended_it_is_what_they_took() -> None:
    survival = Survival([10.0, 20.0, 30.0], [])
    assert survival.mean == pytest.approx(20.0)
    assert [survival.within(share) for share in (0.1, 0.5, 0.9)] == [10.0, 20.0, 30.0]


def test_who_is_awaited_for_longer_makes_it_longer() -> None:
    quick = Survival([30.0, 40.0], [])
    assert quick.mean == pytest.approx(35.0)
    assert Survival([30.0, 40.0], [70.0, 70.0]).mean == pytest.approx(62.5)
    assert Survival([30.0, 40.0], [1.0, 2.0]).mean == pytest.approx(quick.mean)


def test_the_mean_of_a_cut_sample_is_near_that_of_the_whole() -> None:
    luck = random.Random(1)
    taken = [luck.uniform(30, 120) for _ in range(200)]
    cut = Survival([each for each in taken if each < 80], [80.0] * sum(each >= 80 for each in taken))
    assert cut.mean == pytest.approx(75, rel=0.1)


def test_who_waited_already_waits_for_what_is_left() -> None:
    survival = Survival([10.0, 20.0, 30.0, 40.0], [])
    assert survival.within(0.1, after=25.0) == 5.0
    assert survival.within(0.9, after=25.0) == 15.0
    assert survival.within(0.5, after=40.0) == 0.0


@given(ended=st.lists(SECONDS, min_size=1, max_size=30), ages=st.lists(SECONDS, max_size=30), share=st.floats(0, 0.999))
def test_nothing_ends_in_the_past_and_shares_are_in_order(ended: list[float], ages: list[float], share: float) -> None:
    survival = Survival(ended, ages)
    assert survival.within(share) >= min(ended)
    assert survival.within(share) <= survival.within(0.999)
    assert min(ended) <= survival.mean * 1.0001
    assert all(survival.within(share, after=age) >= 0 for age in ages)


def test_waves_of_even_answers_are_counted() -> None:
    survival = Survival([60.0] * 4, [])
    assert time_left(survival, [0.0] * 4, 8, places=4) == pytest.approx(180.0)
    assert time_left(survival, [30.0] * 4, 0, places=4) == pytest.approx(30.0)
    assert time_left(survival, [0.0] * 4, 4_000, places=4) == pytest.approx(60.0 * 1_001)


def test_starts_kept_apart_take_their_time() -> None:
    survival = Survival([60.0] * 4, [])
    assert time_left(survival, [0.0], 100, places=50, gap=6.0) == pytest.approx(660.0)
    assert time_left(survival, [0.0], 100_000, places=50, gap=6.0) == pytest.approx(600_060.0)


def test_places_that_stand_empty_are_taken_at_once() -> None:
    assert time_left(Survival([10.0], []), [], 6, places=3) == pytest.approx(20.0)
