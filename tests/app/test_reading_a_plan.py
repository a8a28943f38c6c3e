"""A plan is read by somebody who does not know what was changed: what changed, what left, what waits, what stops it."""

import shutil
from pathlib import Path

import pytest

from pipeline.app import planning
from tests.app.project import Project, icons, letters, project, small
from tests.fakes import Order, PaidHost, Reply, error_reply, png, sells

FREE = {"providers": "free: {preset: sketch}", "models": "main: {provider: free, model: m, params: {quality: low}}"}
SHOTS = """
hero:
  matrix: {scene: {stone: a slab of pale limestone and nothing else at all, linen: beige linen}}
  prompt: "A cup on {{ scene }}, in the soft daylight of a winter morning."
  images: [photos/cup.png]
badge: {matrix: {colour: [red, teal]}, prompt: "A {{ colour }} badge."}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """Two heroes of a photo and two badges, all there."""
    shop = small(tmp_path, SHOTS, **FREE)
    shop.write("photos/cup.png", (Path(__file__).parents[2] / "docs/sheet.png").read_bytes())
    assert shop.run("--no-sheet").exit == 0
    return shop


def plan(shop: Project, *options: str) -> str:
    ran = shop.pipeline("plan", shop.manifest, *options)
    assert ran.exit == 0, ran.err
    return ran.out


def test_a_long_text_is_shown_from_and_to_without_half_a_quotation(shop: Project) -> None:
    shop.swap("pale limestone", "dark limestone")
    text = plan(shop)
    assert "- A cup on a slab of pale limestone" in text
    assert "+ A cup on a slab of dark limestone" in text
    assert "why       1 prompt changed" in text


def test_a_replaced_photo_is_named(shop: Project) -> None:
    shop.write("photos/cup.png", png("another cup"))
    text = plan(shop)
    assert text.count("image 1  photos/cup.png (") == 1
    assert "-> photos/cup.png (" in text
    assert "hero/linen                                   image 1 changed as above" in text


def test_a_photo_of_another_name_is_named_from_and_to(shop: Project) -> None:
    shop.write("photos/mug.png", png("a mug"))
    shop.swap("[photos/cup.png]", "[photos/mug.png]")
    text = plan(shop)
    assert "image 1  photos/cup.png (" in text
    assert "-> photos/mug.png (" in text


def test_a_photo_of_a_project_that_was_moved_is_named_without_its_old_folder(shop: Project, tmp_path: Path) -> None:
    moved = shop.copy(tmp_path.parent / f"{tmp_path.name}-moved")
    moved.write("photos/cup.png", png("another cup"))
    assert "image 1  cup.png (" in plan(moved)


def test_a_change_that_many_share_is_told_once_a_shot(shop: Project) -> None:
    text = plan(shop, "--set", "models.main.params.quality=high")
    assert text.count('quality  "low" -> "high"') == 2
    assert text.count("quality changed as above") == 2
    assert "why       4 quality changed" in text


def test_what_left_the_manifest_is_listed_and_costs_nothing(shop: Project) -> None:
    shop.swap("colour: [red, teal]", "colour: [red]")
    lines = plan(shop).splitlines()
    at = lines.index("  - no longer in the manifest; what was bought is kept")
    assert lines[at + 1] == "    - badge/teal"
    assert lines[at + 2].endswith(f"pipeline prune {shop.manifest}")
    assert "nothing to ask: everything that is wanted is there" in lines
    assert "no longer" not in plan(shop, "--only", "badge/*"), "a part of the manifest says nothing of the rest"


def test_a_renamed_shot_is_seen_to_be_the_same_pictures(shop: Project) -> None:
    shop.swap("badge:", "button:")
    text = plan(shop)
    assert "> button/red                                   there already as badge/red" in text
    assert "requests  0" in text


def test_what_to_type_is_the_plans_own_options(shop: Project) -> None:
    shop.swap("beige linen", "grey linen")
    text = plan(shop, "--only", "hero/*", "--set", "models.main.params.quality=high", "--limit", "1")
    typed = f"pipeline run {shop.manifest} --only 'hero/*' --set models.main.params.quality=high --limit 1"
    assert text.splitlines()[-1] == f"nothing was bought; to buy it: {typed}"


def respond(order: Order) -> Reply:
    if "item000" in order.prompt:
        return Reply(body=b"x", keep=0)
    return error_reply(400, "moderation_blocked", "no hats") if "item001" in order.prompt else sells(order)


def test_what_waits_for_a_person_is_not_called_there(tmp_path: Path) -> None:
    shop = small(tmp_path, icons(3), budget="{per_month: 20 USD}")
    with PaidHost(respond).open() as url:
        shop.at(url).run()
    lines = plan(shop).splitlines()
    assert f"unknown   1 are held: pipeline reconcile {shop.manifest}" in lines
    assert any(line.endswith(f"pipeline run {shop.manifest} --retry refused") for line in lines)
    assert lines[-1] == "nothing to ask, although not everything is there"
    assert "month     $0.08 of $20.00 used" in lines


def test_what_the_run_would_stop_at_is_told_before(tmp_path: Path) -> None:
    source = "{file: rows.csv, key: sku, guard: {max_removed: 10%}}"
    shot = "icon: {matrix: {item: {source: rows}}, prompt: 'An icon of {{ item }}.'}"
    shop = small(tmp_path, shot, **FREE, sources=f"rows: {source}")
    shop.write("rows.csv", "\n".join(["sku", *letters(4)]))
    assert shop.run().exit == 0
    shop.write("rows.csv", "\n".join(["sku", *letters(2)]))
    assert "2 of 4 rows removed since the last run (50.0%), the guard allows 10%: the run would stop" in plan(shop)
    shutil.rmtree(shop.output)
    assert "guard" not in plan(shop)


def test_a_plan_that_reads_all_keys_at_one_stroke_says_the_same(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.swap("{{ colour }} badge", "{{ colour }} round badge")
    shop.swap("colour: [red, teal]", "colour: [red, teal, gold]")
    shop.swap('badge."}', 'badge.", chain: [{id: worn, prompt: Worn on a coat.}]}')
    told, said = shop.plan(), plan(shop, "--all")
    assert {asset["state"] for asset in told["assets"]} == {"done", "planned"}
    monkeypatch.setattr(planning, "MANY", 1)
    assert shop.plan() == told
    assert plan(shop, "--all") == said
    assert shop.plan("--again", "hero/*") != told
    with monkeypatch.context() as few:
        few.setattr(planning, "SPREAD", 0)
        assert shop.plan() == told


def test_a_plan_in_json_is_json_whatever_the_feed_says(tmp_path: Path) -> None:
    shop = project(tmp_path)
    shop.swap("photos/b.png", '"photos/no ""such"" \\ \u2028é.png"', "feed/products.csv")
    broken = [asset for asset in shop.plan()["assets"] if asset["state"] == "failed"]
    assert broken
    for asset in broken:
        assert 'photos/no "such" \\ \u2028é.png' in asset["why"]
        assert set(asset) == {"asset", "key", "state", "why", "usd", "path"}
        assert (asset["key"], asset["usd"]) == (None, 0.0)
