"""The page as people meet it: opened from disk in Chromium."""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.domain.record import State
from pipeline.sheet.model import SheetData, page_data
from pipeline.sheet.render import render
from pipeline.sheet.thumbs import make_thumbs, thumb_path
from tests.sheet.rows import HOSTILE, image, row, sheet, story

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="Chromium is not installed"),
]
COLOURS, SCENES = ("red", "teal"), ("marble", "linen", "oak")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


def opened(browser: Browser, folder: Path, data: SheetData, *, width: int = 1280) -> tuple[Page, list[str]]:
    pictures = {}
    for told in data.stories:
        if told.row.image is None:
            continue
        path = folder / told.row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            Pillow.new("RGB", (64, 48), (hash(told.row.asset) % 255, 90, 120)).save(path)
        pictures[told.row.image.digest] = path
    make_thumbs(folder, pictures)
    stories = tuple(
        replace(told, thumb=thumb_path(told.row.image.digest) if told.row.image else "") for told in data.stories
    )
    (folder / "index.html").write_text(render(page_data(replace(data, stories=stories))), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900})
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"file://{folder}/index.html")
    return page, errors


def grid() -> SheetData:
    axes = (("colour", COLOURS), ("scene", SCENES))
    stories = []
    for colour in COLOURS:
        for scene in SCENES:
            base = f"hero/{colour}/{scene}"
            keys = (("colour", colour), ("scene", scene))
            stories.append(story(row(base, axes=keys), prompt=f"a cup, {colour}, on {scene}"))
            stories.append(
                story(
                    row(f"{base}/night", axes=keys, step_id="night", depth=1, parent=base), prompt="the same at night"
                )
            )
    stories.append(
        story(
            row(
                "hero/red/oak#2",
                axes=(("colour", "red"), ("scene", "oak")),
                candidate=2,
                state=State.REFUSED,
                reason="output",
            )
        )
    )
    return sheet(tuple(stories), axes=axes, chain=("night",))


def test_shots_are_grids_chains_are_strips_and_nothing_complains(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path, grid())
    assert page.locator("table.grid thead th").all_inner_texts() == list(COLOURS)
    assert page.locator("table.grid tbody th").all_inner_texts() == list(SCENES)
    assert page.locator(".strip").first.locator(".tile").count() == 2
    assert page.locator(".trouble").count() == 1
    assert "--retry refused" in page.locator(".trouble code").inner_text()
    assert page.locator(".tile img").first.evaluate("image => image.complete && image.naturalWidth") > 0
    assert errors == []


def test_the_chooser_turns_columns_into_rows(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path, grid())
    page.locator(".head select").first.select_option(label="colour")
    assert page.locator("table.grid tbody th").all_inner_texts() == list(COLOURS)
    assert page.locator("table.grid thead th").all_inner_texts() == list(SCENES)


def test_filters_narrow_what_is_shown(browser: Browser, tmp_path: Path) -> None:
    page, _ = opened(browser, tmp_path, grid())
    page.locator("#f-text").fill("teal, on linen")
    assert page.locator(".tile").count() == 1
    page.locator("#f-text").fill("")
    page.locator("#f-status").select_option("refused")
    assert page.locator(".tile").count() == 1
    page.locator("#f-text").fill("nothing has this name")
    assert "Nothing matches" in page.locator("main").inner_text()


def test_a_tile_opens_its_story_and_the_keys_walk_on(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path, grid())
    page.locator(".tile").first.click()
    story_text = page.locator("#viewer").inner_text()
    assert "a cup, red, on marble" in story_text
    assert "gpt-image-2" in story_text
    page.keyboard.press("ArrowRight")
    assert "the same at night" in page.locator("#viewer").inner_text()
    page.keyboard.press("b")
    assert page.locator(".wipe img").count() == 2
    page.keyboard.press("s")
    assert page.locator(".two figure").count() == 2
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.keyboard.press("?")
    assert "previous, next picture" in page.locator("#help").inner_text()
    assert errors == []


def test_two_picked_assets_are_compared_by_keyboard_alone(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path, grid())
    page.locator(".tile").first.focus()
    page.keyboard.press("c")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.keyboard.press("v")
    assert page.locator(".wipe img").count() == 2
    assert errors == []


def test_hostile_texts_run_nothing(browser: Browser, tmp_path: Path) -> None:
    given = row("a/red", state=State.FAILED, reason=HOSTILE, warnings=(HOSTILE,), axes=(("colour", HOSTILE),))
    page, errors = opened(browser, tmp_path, sheet((story(given, prompt=HOSTILE),), axes=(("colour", (HOSTILE,)),)))
    page.locator(".tile").first.click()
    assert page.title().startswith("m ")
    assert page.locator("b[onerror], img[src=x]").count() == 0
    assert errors == []


def test_a_sheet_without_assets_says_what_to_do(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path, sheet(()))
    assert "pipeline run jobs/m.yaml" in page.locator("main").inner_text()
    assert errors == []


def test_a_phone_needs_no_sideways_scrolling_of_the_page(browser: Browser, tmp_path: Path) -> None:
    page, errors = opened(browser, tmp_path, grid(), width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert errors == []


def test_two_thousand_assets_show_their_first_picture_within_a_second_and_a_half(
    browser: Browser, tmp_path: Path
) -> None:
    keys = tuple(f"{number:04d}" for number in range(1000))
    rows = [row(f"hero/{colour}/{key}", axes=(("key", key), ("colour", colour))) for key in keys for colour in COLOURS]
    data = sheet(tuple(story(each) for each in rows), axes=(("key", keys), ("colour", COLOURS)))
    shared = tmp_path / "shared.png"
    Pillow.new("RGB", (64, 48), (40, 90, 160)).save(shared)
    for each in rows:
        path = tmp_path / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(shared)
    page, errors = opened(browser, tmp_path, data)
    began = time.perf_counter()
    page.reload(wait_until="commit")
    page.locator(".tile img").first.evaluate("image => image.decode()")
    assert time.perf_counter() - began < 1.5
    expect(page.locator(".tile")).to_have_count(2000, timeout=30_000)
    assert errors == []


def test_the_image_of_the_rows_is_what_the_tests_think(tmp_path: Path) -> None:
    assert image("a") == image("a")
    assert image("a") != image("b")
