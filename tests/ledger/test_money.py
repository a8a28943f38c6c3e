"""Money is summed in whole micro-dollars, by run, calendar month (UTC) and asset."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.money import MicroUsd
from pipeline.domain.record import Outcome, RunId
from pipeline.ledger.attempts import shares
from tests.ledger.making import MANIFEST, RUN, begun, done, intent, name, settled, view


@given(st.integers(0, 10**12), st.integers(1, 16))
def test_the_parts_of_a_cost_add_up_to_it(cost: int, parts: int) -> None:
    cut = shares(cost, parts)
    assert sum(cut) == cost
    assert max(cut) - min(cut) <= 1


def test_a_month_is_a_calendar_month_of_utc(tmp_path: Path) -> None:
    last = datetime(2026, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    with begun(tmp_path) as ledger:
        for number, moment in enumerate([last, last + timedelta(microseconds=1)]):
            ledger.open_attempt(intent(number, (number,), opened_at=moment))
            # It counts in the month it was sent in, whenever it ended.
            ledger.settle(done(number, f"picture {number}", ended_at=moment + timedelta(days=40)))
        assert ledger.money_since(datetime(2026, 10, 1, tzinfo=UTC)).spent == 140_002
        assert ledger.money_since(datetime(2026, 11, 30, tzinfo=UTC)).spent == 70_001
        in_berlin = datetime(2026, 11, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
        assert ledger.money_since(in_berlin).spent == 140_002  # still October in UTC
        assert ledger.money_since(datetime(2026, 12, 1, tzinfo=UTC)).counted == 0
        assert ledger.money_since(None, MANIFEST).spent == 140_002
        assert ledger.money_since(None, "another").counted == 0


def test_what_is_in_flight_and_what_is_unknown_count_at_their_worst(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        assert (ledger.money_of_run(RUN).spent, ledger.money_of_run(RUN).unknown) == (0, 100_001)
        ledger.settle(settled(1, Outcome.UNKNOWN, cost=MicroUsd(100_001)))
        assert (ledger.money_of_run(RUN).spent, ledger.money_of_run(RUN).unknown) == (0, 100_001)
        assert ledger.money_of_assets(MANIFEST, [name(1), name(2)])[name(1)].counted == 100_001
        ledger.open_attempt(intent(2), max_buys=2)
        ledger.settle(settled(2, Outcome.FAILED, error_code="server_error"))
        # A server fault that was asked again costs nothing, but what it may have cost stays readable.
        assert ledger.money_of_run(RUN).counted == 100_001
        assert ledger.attempts(limit=1)[0].cost_high == 100_001
        assert ledger.money_of_run(RunId("none")).counted == 0


def test_an_asset_counts_over_all_runs_and_only_in_its_manifest(tmp_path: Path) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1, (1, 2)))
        ledger.settle(done(1, "one", "two"))
        ledger.begin_run(RunId("run-2"), manifest="other")
        ledger.open_attempt(intent(2, (1,), manifest="other", run_id=RunId("run-2")), again=True)
        ledger.settle(done(2, "again"))
        ledger.open_attempt(intent(3, (1,)), again=True)
        ledger.settle(done(3, "once more"))
        money = ledger.money_of_assets(MANIFEST, [name(1), name(2), name(3)])
        assert {asset: sums.spent for asset, sums in money.items()} == {name(1): 35_001 + 70_001, name(2): 35_000}


@pytest.mark.parametrize("usd", [0, 1, 999_999, 42_000, 10**12 + 1])
def test_the_views_show_decimal_dollars(tmp_path: Path, usd: int) -> None:
    with begun(tmp_path) as ledger:
        ledger.open_attempt(intent(1))
        ledger.settle(done(1, "one", cost=MicroUsd(usd)))
        assert view(tmp_path, "SELECT usd FROM v_attempts") == [{"usd": usd / 1_000_000}]
        assert view(tmp_path, "SELECT usd FROM v_runs") == [{"usd": usd / 1_000_000}]
