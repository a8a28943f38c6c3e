"""Budgets end to end: never crossed, whatever is unknown counts, and the next run goes on."""

import json
import threading
from pathlib import Path

import pytest

from tests.app.project import icons, small
from tests.fakes import Order, PaidHost, Reply, sells


def test_a_run_stops_at_its_budget_and_the_next_one_goes_on(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(5), budget="per_run: 0.10 USD"), PaidHost()
    with host.open() as url:
        first = shop.at(url).run()
        assert (first.exit, first.json["assets"]["done"], first.json["assets"]["planned"]) == (12, 2, 3)
        assert first.json["usd"]["spent"] == 0.08
        assert [shop.run().exit for _ in range(3)] == [12, 0, 0]
    assert len(host.orders) == 5


def test_an_option_replaces_the_budget_of_a_run(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(5), budget="per_run: 0.01 USD"), PaidHost()
    with host.open() as url:
        assert shop.at(url).run("--budget", "0.12").json["assets"]["done"] == 3
        assert shop.run("--budget", "$5").exit == 0
    assert len(host.orders) == 5


def test_what_is_unknown_counts_as_spent(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(5), budget="per_run: 0.10 USD")
    host = PaidHost(lambda order: Reply(status=502, body=b"<html></html>"))
    with host.open() as url:
        ran = shop.at(url).run()
    assert (len(host.orders), ran.json["usd"]["unknown"], ran.exit) == (2, 0.08, 14)
    assert ran.json["assets"]["planned"] == 3


def test_a_month_counts_over_runs_and_unknown_outcomes_of_earlier_ones(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(5), budget="per_month: 0.13 USD")
    host = PaidHost(lambda order: Reply(status=502, body=b"<html></html>") if "000" in order.prompt else sells(order))
    with host.open() as url:
        first = shop.at(url).run("--limit", "2")
        second = shop.run()
        third = shop.run()
    assert (first.exit, second.exit, third.exit) == (14, 12, 12)
    assert len(host.orders) == 3
    assert third.json["requests"] == 0


def test_pictures_are_counted_too(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(5), budget="max_images: 2"), PaidHost()
    with host.open() as url:
        assert shop.at(url).run().exit == 12
    assert len(host.orders) == 2


def test_one_asset_that_is_too_dear_holds_back_no_other(tmp_path: Path) -> None:
    shots = f"{icons(2)}\ndear: {{model: dear, prompt: A palace.}}"
    models = """
main: {provider: paid, model: tiny-1, price: 0.04 USD}
dear: {provider: paid, model: tiny-2, price: 2 USD}
"""
    shop, host = small(tmp_path, shots, models=models, budget="per_asset: 1 USD"), PaidHost()
    with host.open() as url:
        ran = shop.at(url).run()
    assert (ran.exit, len(host.orders), ran.json["assets"]["planned"]) == (12, 2, 1)


def test_an_asset_is_not_bought_beyond_its_own_budget_over_nights(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1), budget="per_asset: 0.10 USD"), PaidHost()
    with host.open() as url:
        exits = [shop.at(url).run("--again", "*").exit for _ in range(3)]
    assert (exits, len(host.orders)) == ([0, 0, 12], 2)


def test_no_more_money_is_in_flight_than_the_exposure_allows(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(8), budget="max_exposure: 0.09 USD")
    host = PaidHost(lambda order: Reply(body=sells(order).body, seconds=0.03))
    with host.open() as url:
        assert shop.at(url).run("--concurrency", "8").exit == 0
    assert (len(host.orders), host.highest) == (8, 2)


def test_reserving_blocks_no_run_whose_worst_case_is_above_the_cap(tmp_path: Path) -> None:
    models = "main: {provider: paid, model: gpt-image-2, params: {quality: low, size: 1024x1024}}"
    shop, host = small(tmp_path, icons(6), models=models, budget="per_run: 0.10 USD"), PaidHost()
    host.respond = lambda order: sells(order, input_tokens=10, output_tokens=200)
    with host.open() as url:
        assert shop.at(url).run("--concurrency", "4").exit == 0
    assert len(host.orders) == 6


@pytest.mark.parametrize("seed", range(2))
def test_at_many_requests_at_once_and_any_prices_it_is_never_crossed(seed: int, tmp_path: Path) -> None:
    lock, bill = threading.Lock(), []

    def respond(order: Order) -> Reply:
        tokens = (sum(order.prompt.encode()) * (seed + 7)) % 250
        with lock:
            bill.append(tokens * 30)
        return Reply(body=sells(order, input_tokens=0, output_tokens=tokens).body, seconds=tokens / 20000)

    models = "main: {provider: paid, model: gpt-image-2, params: {quality: low, size: 1024x1024}}"
    shop, host = small(tmp_path, icons(120), models=models, budget="per_run: 0.20 USD"), PaidHost(respond)
    with host.open() as url:
        ran = shop.at(url).run("--concurrency", "32")
    assert ran.exit == 12
    assert sum(bill) <= 200_000
    assert ran.json["usd"]["spent"] == pytest.approx(sum(bill) / 1e6)


def test_a_paid_model_without_a_price_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1), models="main: {provider: paid, model: tiny-1}"), PaidHost()
    with host.open() as url:
        ran = shop.at(url).pipeline("run", shop.manifest, "--json")
        assert (ran.exit, ran.out, host.orders) == (2, "", [])
        assert "no price is known for tiny-1 at paid" in ran.err
        shop.swap("per_run: 20 USD", "unpriced: allow")
        assert shop.run().exit == 0


def test_the_plan_says_what_is_expected_and_what_it_costs_at_worst(tmp_path: Path) -> None:
    models = "main: {provider: paid, model: gpt-image-2, params: {quality: low, size: 1024x1024}}"
    shop = small(tmp_path, icons(3), models=models).at("http://127.0.0.1:9/v1")
    plan = shop.plan()
    assert plan["requests"] == 3
    assert 0 < plan["usd"]["expected"] < plan["usd"]["worst"]
    assert sum(asset["usd"] for asset in plan["assets"]) == pytest.approx(plan["usd"]["expected"])
    assert set(plan) == {"manifest", "assets", "requests", "usd", "seconds"}
    assert set(plan["assets"][0]) == {"asset", "key", "state", "why", "usd", "path"}
    assert json.dumps(plan)
