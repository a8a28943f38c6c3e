"""What is there is never bought again: resuming, dedupe across shots and manifests, candidates, options of `run`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.project import Project, icons, project, small
from tests.fakes import Order, PaidHost, Reply, sells


def test_a_second_run_asks_for_nothing_and_says_what_that_saved(tmp_path: Path) -> None:
    shop, host = project(tmp_path), PaidHost()
    with host.open() as url:
        first, second = shop.at(url).run(), shop.run()
    assert (first.exit, first.json["requests"], first.json["images"], host.billed) == (0, 20, 20, 20)
    assert first.json["usd"] == {"spent": pytest.approx(0.82), "unknown": 0.0, "saved": 0.0}
    assert (second.exit, second.json["requests"]) == (0, 0)
    assert second.json["assets"]["cached"] == second.json["assets"]["total"] == 20
    assert second.json["usd"] == {"spent": 0.0, "unknown": 0.0, "saved": pytest.approx(0.82)}


def test_for_people_a_second_run_says_that_nothing_was_asked(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    with PaidHost().open() as url:
        shop.at(url).pipeline("run", shop.manifest)
        ran = shop.pipeline("run", shop.manifest)
    assert "nothing was asked" in ran.out
    assert "$0.08 saved by reuse" in ran.out


def test_two_shots_that_ask_the_same_are_one_request_and_two_files(tmp_path: Path) -> None:
    shop, host = small(tmp_path, "one: {prompt: A cup.}\ntwo: {prompt: A cup.}"), PaidHost()
    with host.open() as url:
        ran = shop.at(url).run()
    assert (len(host.orders), ran.json["assets"]["done"], ran.json["assets"]["cached"]) == (1, 1, 1)
    folder = shop.output / "shop"
    assert (folder / "one.png").read_bytes() == (folder / "two.png").read_bytes()


def test_two_manifests_that_ask_the_same_are_one_request(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(3)), PaidHost()
    other = shop.write("other.yaml", shop.manifest.read_text().replace("name: shop", "name: other"))
    with host.open() as url:
        ran = shop.at(url).pipeline("run", shop.manifest, other, "--json")
    first, second = (json.loads(line) for line in ran.out.splitlines())
    assert (first["manifest"], first["requests"], second["manifest"], second["requests"]) == ("shop", 3, "other", 0)
    assert len(host.orders) == 3
    assert (shop.output / "other/icon/item000.png").is_file()


def test_two_candidates_more_buy_two_and_the_first_two_stay(tmp_path: Path) -> None:
    shop, host = small(tmp_path, "icon: {prompt: A cup., n: 2}"), PaidHost()
    with host.open() as url:
        shop.at(url).run()
        before = {name: entry["sha256"] for name, entry in shop.index().items()}
        shop.swap("n: 2}", "n: 4}")
        ran = shop.run()
    assert (ran.json["requests"], len(host.orders)) == (2, 4)
    after = {name: entry["sha256"] for name, entry in shop.index().items()}
    assert before.items() <= after.items()
    assert set(after) == {"icon", "icon#2", "icon#3", "icon#4"}


def test_a_parent_with_other_bytes_makes_its_children_stale(tmp_path: Path) -> None:
    shop = small(tmp_path, "icon: {prompt: A cup., chain: [{id: hover, prompt: Hover.}]}")
    count = 0

    def respond(order: Order) -> Reply:
        nonlocal count
        count += 1
        return sells(Order(path=order.path, headers={}, fields={"prompt": f"{order.prompt} {count}"}))

    host = PaidHost(respond)
    with host.open() as url:
        shop.at(url).run()
        ran = shop.run("--again", "icon")
    assert [order.prompt for order in host.orders] == ["A cup.", "Hover.", "A cup.", "Hover."]
    assert ran.json["requests"] == 2


def test_again_keeps_the_old_picture(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    count = 0

    def respond(order: Order) -> Reply:
        nonlocal count
        count += 1
        return sells(Order(path=order.path, headers={}, fields={"prompt": str(count)}))

    with PaidHost(respond).open() as url:
        shop.at(url).run()
        before = shop.index()["icon/item000"]["sha256"]
        ran = shop.run("--again", "icon/item000")
    assert (ran.exit, ran.json["requests"]) == (0, 1)
    assert shop.index()["icon/item000"]["sha256"] != before
    assert list((shop.output / ".pipeline/images").rglob(f"{before}.png"))


def test_only_asks_for_what_matches_and_its_parents(tmp_path: Path) -> None:
    shop, host = project(tmp_path), PaidHost()
    with host.open() as url:
        ran = shop.at(url).run("--only", "hero/A/marble/ribbon", "--only", "poster/red/*")
    assert (ran.exit, len(host.orders)) == (0, 4)
    assert ran.json["assets"]["total"] == 4
    assert set(shop.index()) == {"hero/A/marble", "hero/A/marble/ribbon", "poster/red/main", "poster/red/rival"}


def test_only_forgets_no_other_asset(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3))
    with PaidHost().open() as url:
        shop.at(url).run()
        shop.run("--only", "icon/item000")
    assert len(shop.index()) == 3


def test_limit_asks_for_so_many_steps_and_leaves_the_rest_planned(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(5)), PaidHost()
    with host.open() as url:
        ran = shop.at(url).run("--limit", "2")
        assert (len(host.orders), ran.json["assets"]["done"], ran.json["assets"]["planned"]) == (2, 2, 3)
        assert shop.plan("--limit", "2")["requests"] == 2
        assert shop.run().json["requests"] == 3


def test_set_changes_a_value_for_one_run(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(1)), PaidHost()
    with host.open() as url:
        shop.at(url).run("--set", "shots.icon.params.quality=low")
    assert host.orders[0].fields["quality"] == "low"
    assert shop.asked() == {"icon/item000"}


def test_a_manifest_started_from_another_folder_uses_the_same_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, host = small(tmp_path / "shop", icons(2)), PaidHost()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with host.open() as url:
        shop.at(url).run()
        monkeypatch.chdir(elsewhere)
        assert shop.run().json["requests"] == 0
        monkeypatch.chdir(shop.folder)
        assert shop.pipeline("run", "shop.yaml", "--json").json["requests"] == 0
    assert list(elsewhere.iterdir()) == []


def test_beside_a_jobs_folder_the_output_folder_is_its_neighbour(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1))
    (tmp_path / "jobs").mkdir()
    shop.manifest.rename(tmp_path / "jobs/shop.yaml")
    with PaidHost().open() as url:
        ran = shop.at(url).pipeline("run", tmp_path / "jobs/shop.yaml", "--json")
    assert ran.exit == 0
    assert (tmp_path / "output/shop/icon/item000.png").is_file()


def test_the_whole_output_folder_may_be_moved(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    with PaidHost().open() as url:
        shop.at(url).run()
    shop.output.rename(tmp_path / "moved")
    assert shop.asked("--output", tmp_path / "moved") == set()
    assert shop.run("--output", tmp_path / "moved").json["assets"]["cached"] == 2


def test_a_rehearsal_asks_nobody_and_never_satisfies_a_paid_asset(tmp_path: Path) -> None:
    shop, host = small(tmp_path, icons(2)), PaidHost()
    with host.open() as url:
        rehearsal = shop.at(url).run("--provider", "sketch")
        assert (rehearsal.exit, len(host.orders), rehearsal.json["usd"]["spent"]) == (0, 0, 0.0)
        assert shop.asked() == {"icon/item000", "icon/item001"}
        paid = shop.run()
    assert (paid.json["requests"], len(host.orders)) == (2, 2)


def test_a_run_on_a_new_ledger_or_without_a_budget_says_so_first(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(1), budget="")
    with PaidHost().open() as url:
        first, second = shop.at(url).run(), shop.run("--budget", "5")
    assert "no ledger yet" in first.err
    assert "no budget.per_run" in first.err
    assert "no ledger yet" not in second.err
    assert "no budget.per_run" not in second.err


def test_an_asset_that_leaves_the_manifest_leaves_the_index_and_comes_back_for_nothing(tmp_path: Path) -> None:
    shop: Project = small(tmp_path, icons(2))
    with PaidHost().open() as url:
        shop.at(url).run()
        shop.swap("item000, item001", "item000")
        shop.run()
        assert set(shop.index()) == {"icon/item000"}
        shop.swap("item000", "item000, item001")
        ran = shop.run()
    assert (ran.json["requests"], set(shop.index())) == (0, {"icon/item000", "icon/item001"})


def test_a_renamed_axis_a_shuffled_feed_and_a_moved_photo_ask_for_nothing_and_a_changed_row_for_its_own(
    tmp_path: Path,
) -> None:
    shop, host = project(tmp_path), PaidHost()
    with host.open() as url:
        shop.at(url).run()
        bought = len(host.orders)
        shop.swap("scene:\n", "place:\n")
        shop.swap("{{ scene }}", "{{ place }}")
        (tmp_path / "photos/a.png").rename(tmp_path / "moved.png")
        shop.write("feed/products.csv", "sku,title,photo\nB,Lamp,photos/b.png\nA,Cup,moved.png\n")
        assert shop.run().json["requests"] == 0
        shop.swap("Lamp", "Desk lamp", "feed/products.csv")
        ran = shop.run()
    assert (ran.exit, ran.json["requests"], len(host.orders) - bought) == (0, 8, 8)
    assert not any("Cup" in prompt for prompt in host.prompts[bought:])
    changed = {name for name in shop.index() if name.split("/")[1].partition("#")[0] == "B"}
    assert len(changed) == 8


def test_what_is_there_is_told_while_the_first_answers_are_awaited(tmp_path: Path) -> None:
    shop, log = small(tmp_path, icons(300)), tmp_path / "log.jsonl"
    with PaidHost().open() as url:
        assert shop.at(url).run("--no-sheet").exit == 0
    for number in range(0, 300, 30):
        shop.swap(f"item{number:03}", f"other{number:03}")

    def slow(order: Order) -> Reply:
        return replace(sells(order), seconds=0.2)

    with PaidHost(slow).open() as url:
        assert shop.at(url).run("--no-sheet", "--concurrency", "2", "--log", log).exit == 0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    events = ["cached" if event.get("cached") else event["event"] for event in told]
    assert events.count("cached") == 290
    assert events.count("done") == 10
    assert events[: len(events) - events[::-1].index("cached")].count("done") <= 2, (
        "so the time left is that of the rest"
    )
