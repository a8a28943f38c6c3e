"""Patterns of ``--only`` and ``--again``: one that matches nothing is told before a night passes in silence."""

from pathlib import Path

import pytest

from pipeline.app.naming import nearest
from tests.app.project import Project, icons, small

NAMES = ["hero/A/marble", "hero/A/marble/night", "hero/B/linen", "poster/red#2"]


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [
        ("hreo/*", "hero/*"),
        ("hero/A/mrable", "hero/A/marble"),
        ("*/*/linnen", "*/*/linen"),
        ("hero/B", "hero/B/*"),
        ("poster/red", "poster/red#2"),
        ("zzz/*", ""),
    ],
)
def test_the_pattern_that_was_meant_is_found_part_by_part(pattern: str, meant: str) -> None:
    assert nearest(pattern, NAMES) == meant


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    """Free icons."""
    return small(tmp_path, icons(3), providers="free: {preset: sketch}", models="main: {provider: free, model: m}")


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("option", ["--only", "--again"])
def test_a_pattern_without_assets_is_wrong_usage_told_in_a_line(command: str, option: str, shop: Project) -> None:
    ran = shop.pipeline(command, shop.manifest, option, "icno/*", "--json")
    assert (ran.exit, ran.out) == (2, "")
    assert ran.err == f"{shop.manifest}: {option} 'icno/*' matches no asset (did you mean 'icon/*'?)\n"
    assert not shop.output.joinpath("shop").exists()


def test_of_several_manifests_one_may_have_no_asset_of_that_name(shop: Project) -> None:
    other = shop.write("other.yaml", shop.manifest.read_text().replace("name: shop", "name: other"))
    shop.swap("  icon:", "  badge:")
    ran = shop.pipeline("run", shop.manifest, other, "--only", "icon/*")
    assert ran.exit == 0
    assert "--only 'icon/*' matches no asset" in ran.err
    assert "other: 3 assets: 3 made" in ran.out


def test_an_empty_feed_has_nothing_to_match(shop: Project) -> None:
    shop.write("rows.csv", "sku\n")
    shop.swap("name: shop", "name: shop\nsources: {rows: {file: rows.csv, key: sku}}")
    shop.swap("item: [item000, item001, item002]", "item: {source: rows}")
    assert shop.run("--only", "icon/*").exit == 0
