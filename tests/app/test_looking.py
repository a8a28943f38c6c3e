"""`status`, `reconcile`, `trace` and `recall` as people read them."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain.errors import DiskFull
from pipeline.ledger import Ledger
from tests.app.project import Project, icons, small
from tests.fakes import Order, PaidHost, Reply, error_reply, sells


def respond(order: Order) -> Reply:
    if "item000" in order.prompt:
        return Reply(body=b"x", keep=0)
    return error_reply(400, "moderation_blocked", "no hats") if "item001" in order.prompt else sells(order)


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """Five icons: one unknown, one refused, two made, one left for the next run."""
    shop = small(tmp_path, icons(5))
    with PaidHost(respond).open() as url:
        shop.at(url).run("--limit", "4")
    return shop


def test_status_tells_each_asset_once_and_what_is_only_left_as_a_count(shop: Project) -> None:
    lines = shop.pipeline("status", shop.manifest).out.splitlines()
    assert lines[0] == "shop: 2 done, 1 planned, 1 refused, 1 unknown"
    assert [line.split()[:2] for line in lines if line.startswith("  ")] == [
        ["unknown", "icon/item000"],
        ["refused", "icon/item001"],
    ]
    assert lines[-1].startswith(f"next     pipeline reconcile {shop.manifest} ")


def test_what_pacing_learned_is_told_in_words(shop: Project) -> None:
    status = shop.pipeline("status", shop.manifest).out
    (line,) = [line for line in status.splitlines() if line.startswith("learned")]
    assert line.startswith("learned  paid: an answer takes about 0.")
    assert shop.pipeline("status", shop.manifest, "--json").json["limits"][0]["provider"] == "paid"


def test_the_days_pictures_are_counted_over_all_runs_of_the_day(tmp_path: Path) -> None:
    paid = 'paid: {preset: openai, base_url: "${SHOP_URL}", api_key: env:SHOP_KEY, limits: {images_per_day: 3}}'
    shop = small(tmp_path, icons(5), providers=paid)
    with PaidHost(sells).open() as url:
        assert shop.at(url).run("--limit", "2").json["assets"]["done"] == 2
        assert "today    2 of 3 images at paid (UTC)" in shop.pipeline("status", shop.manifest).out
        assert "today     2 of 3 images at paid (UTC)" in shop.pipeline("plan", shop.manifest).out
        assert "2 of 3 images of the day (UTC) used" in shop.pipeline("doctor", shop.manifest).out
        ran = shop.run()
        assert ran.json["assets"]["done"] == 1, "the day's third picture is the last"
        assert shop.pipeline("status", shop.manifest, "--json").json["today"] == [
            {"provider": "paid", "images": 3, "images_per_day": 3}
        ]


def test_reconcile_shows_what_it_is_about_and_knows_a_mistyped_name(shop: Project) -> None:
    asked = shop.pipeline("reconcile", shop.manifest)
    assert asked.exit == 2
    first, second = asked.err.splitlines()
    assert first.startswith("unknown  icon/item000  sent ")
    assert "say --billed, --not-billed or --rebuy" in second
    wrong = shop.pipeline("reconcile", shop.manifest, "icno/item000", "--billed")
    assert (wrong.exit, wrong.out) == (2, "")
    assert "'icno/item000' is no asset whose outcome is unknown (did you mean 'icon/item000'?)" in wrong.err


def test_a_photo_is_found_in_the_ledger_it_lies_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"providers": "free: {preset: sketch}", "models": "main: {provider: free, model: m}"}
    shop = small(tmp_path / "shop", "icon: {prompt: Paint it., images: [photo.png]}", **free)
    shop.write("photo.png", (Path(__file__).parents[2] / "docs/sheet.png").read_bytes())
    assert shop.run().exit == 0
    away = tmp_path / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert "icon  done" in shop.pipeline("recall", shop.folder / "photo.png").out
    told = shop.pipeline("trace", shop.folder / "photo.png")
    assert (told.exit, "`pipeline recall` lists what was made from it" in told.err) == (2, True)
    shutil.copy(shop.folder / "photo.png", away)
    assert shop.pipeline("recall", "photo.png", "--output", os.path.relpath(shop.output)).exit == 0


def test_why_says_what_is_kept_in_words(shop: Project) -> None:
    assert shop.pipeline("why", shop.manifest, "icon/item002").out.startswith("kept     icon/item002: its picture is")
    assert shop.pipeline("why", shop.manifest, "icon/item001").out.startswith("refused  icon/item001: held: refused")


def test_a_rehearsal_is_looked_at_with_its_provider(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(2))
    ran = shop.pipeline("run", shop.manifest, "--provider", "sketch")
    assert f"  pipeline status {shop.manifest} --provider sketch  " in ran.out
    assert "nothing yet" in shop.pipeline("status", shop.manifest).out
    assert shop.pipeline("status", shop.manifest, "--provider", "sketch").out.startswith("shop: 2 done")
    (shop.output / "shop/index.html").unlink()
    assert shop.pipeline("sheet", shop.manifest, "--provider", "sketch").exit == 0
    assert "icon/item001" in (shop.output / "shop/index.html").read_text()


def test_a_missing_photo_is_told_without_its_reason_twice(tmp_path: Path) -> None:
    free = {"providers": "free: {preset: sketch}", "models": "main: {provider: free, model: m}"}
    matrix = "matrix: {item: {source: rows}}, prompt: Paint it., images: ['{{ item.photo }}']"
    shot = f"icon: {{{matrix}}}"
    shop = small(tmp_path, shot, **free, sources="rows: {file: rows.csv, key: sku}")
    shop.write("rows.csv", "sku,photo\nA,gone.png\n")
    ran = shop.pipeline("run", shop.manifest, "--junit", tmp_path / "j.xml", "--summary", tmp_path / "s.md")
    status = shop.pipeline("status", shop.manifest).out
    assert ran.exit == 11, ran.err
    for text in (ran.out, ran.err, status, (tmp_path / "j.xml").read_text(), (tmp_path / "s.md").read_text()):
        assert "gone.png: there is no such file" in text
        assert text.count("input:") == text.count("gone.png")
        assert "input; input" not in text


def test_what_is_skipped_names_the_parent_it_lacks(tmp_path: Path) -> None:
    shop = small(tmp_path, "icon: {prompt: An icon of item001., chain: [{id: night, prompt: At night.}]}")
    with PaidHost(respond).open() as url:
        ran = shop.at(url).pipeline("run", shop.manifest)
    assert "skipped  icon/night  icon is not there" in ran.out
    assert "skipped  icon/night  icon is not there" in shop.pipeline("status", shop.manifest).out


def test_a_ledger_that_fails_at_the_end_of_a_run_is_told_in_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DiskFull("no room for the ledger")

    shop = small(tmp_path, f"bad: {{prompt: Paint it., images: [broken.png]}}\n{icons(2)}")
    shop.write("broken.png", b"no picture")
    monkeypatch.setattr(Ledger, "drop_assets", full)
    with PaidHost(lambda order: replace(sells(order), headers={"x-pipeline-sketch": "1"})).open() as url:
        ran = shop.at(url).run("--concurrency", "1")
    assert (ran.exit, ran.json["assets"]["done"], ran.json["sheet"]) == (1, 2, None)


def test_what_failed_before_its_host_was_known_as_our_gateway_is_shown_beside_the_rest(tmp_path: Path) -> None:
    """A provider that is not called `sketch` and lies at our own gateway: the first answer tells."""
    shots = f"bad: {{prompt: Paint it., images: [broken.png]}}\n{icons(3)}"
    shop = small(tmp_path, shots)
    shop.write("broken.png", b"no picture")
    host = PaidHost(lambda order: replace(sells(order), headers={"x-pipeline-sketch": "1"}))
    with host.open() as url:
        ran = shop.at(url).run("--limit", "2", "--concurrency", "1")
        told = ran.json["assets"]
        assert (told["total"], told["failed"], told["done"]) == (4, 1, 2)
        assert {name: asset["state"] for name, asset in shop.index().items()} == {
            "bad": "failed",
            "icon/item000": "done",
            "icon/item001": "done",
            "icon/item002": "planned",
        }
        assert shop.pipeline("status", shop.manifest).out.startswith("shop: 2 done, 1 failed, 1 planned")
        assert shop.rows("SELECT DISTINCT space FROM assets") == [("sketch",)]
        shop.run()
    assert shop.pipeline("status", shop.manifest).out.startswith("shop: 3 done, 1 failed")
