"""The page under fingers, by keys alone, for screen readers and on paper: nothing covered, cut off or lost."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.sheet.opening import needs_chromium, open_file

pytestmark = needs_chromium

CUT_OFF = """() => [...document.querySelectorAll('#shots .tile')].flatMap((tile) => {
    const box = tile.getBoundingClientRect();
    const [left, top] = [box.left - 6, box.top - 6];
    const found = [];
    for (let node = tile.parentElement; node.id !== 'shots'; node = node.parentElement) {
        const style = getComputedStyle(node);
        if (style.contentVisibility !== 'auto' && style.overflowX === 'visible') continue;
        const room = node.getBoundingClientRect();
        if (left < room.left || top < room.top) found.push(tile.title + ' in ' + node.className);
    }
    const name = tile.closest('tr')?.querySelector('th[scope=row]');
    if (name && left < name.getBoundingClientRect().right) found.push(tile.title + ' under its name');
    return found;
})"""

COVERED = """() => {
    const box = document.activeElement.getBoundingClientRect();
    const bar = document.getElementById('bar').getBoundingClientRect();
    const tray = document.getElementById('tray').getBoundingClientRect();
    const name = document.activeElement.closest('tr')?.querySelector('th')?.getBoundingClientRect();
    return box.top < bar.bottom || (tray.height > 0 && box.bottom > tray.top) || Boolean(name && box.left < name.right);
}"""

TOO_SMALL = """(where) => [...document.querySelectorAll(where)].filter((node) => {
    const box = node.getBoundingClientRect();
    return box.width > 0 && !node.closest('.unseen, .skip') && (box.height < 32 || box.width < 32);
}).map((node) => node.outerHTML.slice(0, 90))"""


# --- paper


def test_paper_is_light_whatever_the_screen_is(browser: Browser, night_page: Path) -> None:
    colours = """() => ['ground', 'paper', 'ink', 'soft', 'accent', 'unknown', 'refused', 'failed', 'done', 'quiet',
        'checker', 'board'].map((name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name))"""
    seen = []
    for scheme in ("light", "dark"):
        page = open_file(browser, night_page, color_scheme=scheme).page
        page.emulate_media(media="print", color_scheme="dark" if scheme == "dark" else "light")
        seen.append(page.evaluate(colours))
    assert seen[0] == seen[1]


# --- what has the focus is seen


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_cuts_off_or_covers_the_ring_around_a_picture(browser: Browser, night_page: Path, width: int) -> None:
    shop = open_file(browser, night_page, width=width)
    shop.page.locator("#shot-0").get_by_label("Pages").select_option("")
    assert shop.page.evaluate(CUT_OFF) == []
    shop.keys("n")
    assert shop.page.evaluate(CUT_OFF) == []


def test_candidates_in_a_cell_are_as_wide_as_any_picture(browser: Browser, night_page: Path) -> None:
    for width, tile in ((390, 132), (1280, 168)):
        page = open_file(browser, night_page, width=width).page
        page.locator("#shot-0").get_by_label("Pages").select_option("")
        page.locator("#shot-0").get_by_label("Columns").select_option("scene")
        widths = page.locator("#shot-0 td .wall .tile").evaluate_all("all => all.map((node) => node.offsetWidth)")
        assert widths == [tile] * 12


def test_a_picture_with_the_focus_is_never_under_what_stays_in_its_place(browser: Browser, night_page: Path) -> None:
    for width, height in ((1280, 900), (390, 844)):
        shop = open_file(browser, night_page, width=width, height=height)
        shop.named("hero/mug/marble/main").focus()
        shop.keys("c")
        for key in (*["ArrowDown"] * 12, *["ArrowRight"] * 3, *["ArrowUp"] * 12, *["ArrowLeft"] * 3):
            shop.keys(key)
            assert shop.focused()
            assert not shop.page.evaluate(COVERED), (width, key, shop.focused())


# --- fingers


def test_a_finger_hits_everything_on_a_phone(browser: Browser, night_page: Path) -> None:
    shop = open_file(browser, night_page, width=390, height=844)
    page = shop.page
    where = "PLACE button, PLACE a, PLACE select, PLACE input, PLACE summary"
    page.locator("#more > summary").click()
    for place in ("#top", "#trouble", "#sums", "#bar", "#shots"):
        assert page.evaluate(TOO_SMALL, where.replace("PLACE", place)) == []
    small = "node => parseFloat(getComputedStyle(node).fontSize)"
    assert page.locator("#search").evaluate(small) >= 16, "phones enlarge the page for smaller fields"
    shop.named("story/harbour/rain").click()
    assert page.evaluate(TOO_SMALL, where.replace("PLACE", "#viewer")) == []
    shop.keys("c", "p")
    assert page.evaluate(TOO_SMALL, where.replace("PLACE", "#compare")) == []
    shop.keys("Escape", "Escape")
    assert page.get_by_role("button", name="Clear").evaluate("node => node.offsetHeight") < 60, "on one line"


def test_a_missing_picture_leaves_no_void_on_a_phone(browser: Browser, night_page: Path) -> None:
    shop = open_file(browser, night_page, width=390, height=844)
    shop.named("hero/lamp/linen/rival").click()
    box = shop.page.locator("#viewer .stage").bounding_box()
    assert box
    assert box["height"] < 250
