"""What ends a run early: a failing provider, a deadline, a network that is down; and what changes meanwhile."""

import json
import socket
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.app.options import Choice, RunOptions
from pipeline.app.run import run_order
from pipeline.app.shop import take_order
from pipeline.app.tally import Tally
from pipeline.app.world import WallClock, World
from tests.app.project import KEY, Project, icons, small
from tests.fakes import Order, PaidHost, Reply, error_reply, png, sells

ONE_AT_A_TIME = ("--concurrency", "1")


def test_failures_in_a_row_stop_a_provider(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(9), run="stop_on: {failures_in_a_row: 3}")
    host = PaidHost(lambda order: error_reply(400, "invalid_value"))
    with host.open() as url:
        ran = shop.at(url).run(*ONE_AT_A_TIME)
    assert (ran.exit, len(host.orders), ran.json["assets"]["planned"]) == (11, 3, 6)


def test_unknown_outcomes_in_a_row_stop_a_provider(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(9), run="stop_on: {unknown_in_a_row: 2}")
    host = PaidHost(lambda order: Reply(status=502, body=b"<html></html>"))
    with host.open() as url:
        ran = shop.at(url).run(*ONE_AT_A_TIME)
    assert (ran.exit, len(host.orders)) == (14, 2)


def test_a_picture_in_between_starts_the_count_anew(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(9), run="stop_on: {failures_in_a_row: 3}")
    host = PaidHost()
    host.respond = lambda order: sells(order) if len(host.orders) % 3 == 0 else error_reply(400, "invalid_value")
    with host.open() as url:
        shop.at(url).run(*ONE_AT_A_TIME)
    assert len(host.orders) == 9


def test_a_refused_key_stops_its_provider_and_no_other(tmp_path: Path) -> None:
    good, bad = PaidHost(), PaidHost(lambda order: error_reply(401, "invalid_api_key"))
    with good.open() as url, bad.open() as other:
        providers = f"""
paid: {{preset: openai, base_url: "{url}", api_key: env:SHOP_KEY, limits: {{concurrency: 1}}}}
other: {{preset: openai, base_url: "{other}", api_key: env:SHOP_KEY, limits: {{concurrency: 1}}}}
"""
        models = """
main: {provider: paid, model: tiny-1, price: 0.04 USD}
rival: {provider: other, model: tiny-2, price: 0.04 USD}
"""
        shots = "icon: {matrix: {item: [a, b, c], model: [main, rival]}, prompt: 'A {{ item }}.'}"
        shop = small(tmp_path, shots, providers=providers, models=models)
        ran = shop.run()
    assert (ran.exit, len(good.orders), len(bad.orders)) == (3, 3, 1)
    assert (ran.json["assets"]["done"], ran.json["assets"]["planned"]) == (3, 3)


def test_fail_fast_starts_nothing_after_the_first_failure(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(5)), PaidHost(lambda order: error_reply(400, "invalid_value"))
    with host.open() as url:
        ran = shop.at(url).run("--fail-fast", *ONE_AT_A_TIME)
    assert (ran.exit, len(host.orders), ran.json["assets"]["planned"]) == (11, 1, 4)


class Clock(WallClock):
    """A clock that stands still."""

    def __init__(self, at: str) -> None:
        self.at = datetime.fromisoformat(f"2026-11-21T{at}+00:00")

    def now(self) -> datetime:
        return self.at


def test_nothing_is_started_that_would_end_after_the_deadline(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3), run='deadline: "05:30"\ntimezone: Europe/Berlin')
    host = PaidHost(lambda order: Reply(body=sells(order).body, seconds=0.1))
    exits = []
    with host.open() as url:
        for clock, limit in ((Clock("01:00:00"), 1), (Clock("04:29:59.950"), None), (Clock("04:30:01"), None)):
            world = World(environ={"SHOP_URL": url, "SHOP_KEY": KEY}, clock=clock)
            options = RunOptions(choice=Choice(manifest=shop.manifest, limit=limit))
            tally = Tally()
            exits.append((run_order(take_order(options, world, tally, tally)).exit, len(host.orders)))
    assert exits == [(0, 1), (13, 1), (0, 3)], "one that has passed means tomorrow's"


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_network_that_stays_down_leaves_everything_planned(tmp_path: Path) -> None:
    provider = 'paid: {preset: openai, base_url: "${SHOP_URL}", api_key: env:SHOP_KEY, retry: {first_wait: 10ms}}'
    shop = small(tmp_path, icons(3), providers=provider, run="network_wait: 200ms")
    ran = shop.at(f"http://127.0.0.1:{closed_port()}/v1").run()
    assert ran.exit == 1
    assert (ran.json["assets"]["planned"], ran.json["usd"]) == (3, {"spent": 0.0, "unknown": 0.0, "saved": 0.0})
    with PaidHost().open() as url:
        assert shop.at(url).run().exit == 0


def test_a_manifest_that_is_edited_meanwhile_changes_nothing_of_this_run(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(3)), PaidHost()

    def respond(order: Order) -> Reply:
        shop.manifest.write_text("not a manifest any more")
        return sells(order)

    host.respond = respond
    with host.open() as url:
        ran = shop.at(url).run(*ONE_AT_A_TIME)
    assert (ran.exit, len(host.orders)) == (0, 3)


def test_a_photo_that_changes_meanwhile_is_an_error_of_its_asset_alone(tmp_path: Path) -> None:
    shots = """
hero: {prompt: A shot., images: [a.png], chain: [{id: night, prompt: At night., images: [b.png]}]}
other: {matrix: {item: [x, y]}, prompt: 'An {{ item }}.'}
"""
    shop, host = small(tmp_path, shots), PaidHost()
    for name in ("a.png", "b.png"):
        shop.write(name, png(name))

    def respond(order: Order) -> Reply:
        shop.write("b.png", png("retouched"))
        return sells(order)

    host.respond = respond
    with host.open() as url:
        first = shop.at(url).run(*ONE_AT_A_TIME)
        assert (first.exit, len(host.orders)) == (11, 3)
        entry = shop.index()["hero/night"]
        assert (entry["state"], entry["reason"]) == ("failed", "input")
        assert "changed while this run was using it" in str(entry["warnings"])
        second = shop.run()
    assert (second.exit, len(host.orders)) == (0, 4)
    assert host.orders[-1].images[1] == png("retouched")


def test_a_photo_that_was_copied_before_it_changed_is_used_as_it_was_hashed(tmp_path: Path) -> None:
    shop, host = small(tmp_path, "hero: {prompt: A shot., images: [a.png]}"), PaidHost()
    shop.write("a.png", png("a"))

    def respond(order: Order) -> Reply:
        shop.write("a.png", png("retouched"))
        return sells(order)

    host.respond = respond
    with host.open() as url:
        assert shop.at(url).run().exit == 0
        assert host.orders[0].images == (png("a"),)
        assert shop.asked() == {"hero"}


def test_a_missing_photo_of_the_feed_fails_its_row_alone_and_is_fatal_only_when_strict(tmp_path: Path) -> None:
    shots = "hero: {matrix: {product: {source: p}}, prompt: 'A {{ product.title }}.', images: ['{{ product.photo }}']}"
    shop = small(tmp_path, shots, sources="p: {file: p.csv, key: sku}")
    shop.write("p.csv", "sku,title,photo\nA,Cup,a.png\nB,Lamp,gone.png\n")
    shop.write("a.png", png("a"))
    host = PaidHost()
    with host.open() as url:
        strict = shop.at(url).pipeline("run", shop.manifest, "--strict")
        assert (strict.exit, host.orders) == (2, [])
        ran = shop.run()
    assert (ran.exit, len(host.orders)) == (11, 1)
    entry = shop.index()["hero/B"]
    assert (entry["state"], entry["reason"]) == ("failed", "input")


GUARDED = "p: {file: p.csv, key: sku, guard: {min_rows: 3, max_changed: 25%, max_removed: 25%}}"


def fed(folder: Path) -> Project:
    shop = small(folder, "hero: {matrix: {product: {source: p}}, prompt: 'A {{ product.title }}.'}", sources=GUARDED)
    feed(shop, 4)
    return shop


def feed(shop: Project, rows: int, title: str = "Cup") -> None:
    lines = "".join(f"S{number},{title} {number}\n" for number in range(rows))
    shop.write("p.csv", f"sku,title\n{lines}")


@pytest.mark.parametrize(
    ("rows", "title", "what"),
    [
        (2, "Cup", "2 rows, the guard wants 3 at least"),
        (3, "Cup", ""),
        (4, "Mug", "4 of 4 rows changed since the last run (100.0%), the guard allows 25%"),
        (5, "Cup", ""),
    ],
)
def test_a_feed_beyond_its_guard_costs_nothing_and_removes_nothing(
    rows: int, title: str, what: str, tmp_path: Path
) -> None:
    shop, host = fed(tmp_path), PaidHost()
    with host.open() as url:
        shop.at(url).run()
        before = len(host.orders), set(shop.index())
        feed(shop, rows, title)
        ran = shop.run()
        assert ran.exit == (5 if what else 0)
        if what:
            assert (len(host.orders), set(shop.index())) == before
            assert what in ran.err
            assert "--accept feed" in ran.err
            assert json.loads(ran.out)["requests"] == 0
            assert shop.run().exit == 5, "a feed that was turned down is no feed of the last run"
            assert shop.run("--accept", "feed").exit == 0
            assert (shop.run().exit == 5) == (rows < 3)


def test_an_unset_variable_is_told_by_its_name(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1)).at("http://127.0.0.1:9/v1")
    del shop.environ["SHOP_KEY"]
    ran = shop.pipeline("run", shop.manifest)
    assert ran.exit == 2
    assert "SHOP_KEY is not set" in ran.err


@pytest.mark.parametrize("key", ["sk-with a space", "sk-\u20ac", "sk-\u0000x"])
def test_a_key_that_cannot_travel_is_exit_3_in_one_line_that_does_not_show_it(key: str, tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1)).at("http://127.0.0.1:9/v1")
    shop.swap("env:SHOP_KEY", "file:key.txt")
    shop.write("key.txt", key)
    ran = shop.run()
    assert (ran.exit, ran.json["exit"], len(ran.err.splitlines())) == (3, 3, 1)
    assert "the key holds characters that no key has" in ran.err
    assert key not in ran.err
