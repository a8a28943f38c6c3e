"""The page under fingers, by keys alone, for screen readers and on paper: nothing covered, cut off or lost."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from pipeline.sheet.model import SheetData
from tests.sheet.making import Night, run_row
from tests.sheet.opening import Opened, needs_chromium, open_file, open_page

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


def held(page: Opened) -> str:
    """What has the focus, by its name."""
    page.settled()
    return str(
        page.page.evaluate(
            "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.slice(0, 60)"
        )
    )


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


def test_a_low_window_is_not_filled_by_the_bar(browser: Browser, night_page: Path) -> None:
    shop = open_file(browser, night_page, width=800, height=450)
    shop.named("story/harbour").focus()
    bar = shop.page.locator("#bar").bounding_box()
    assert bar
    assert bar["y"] + bar["height"] < 0
    shop.resized(800, 900)
    shop.keys("ArrowDown", "ArrowUp")
    assert not shop.page.evaluate(COVERED)


def test_what_is_chosen_is_seen_in_a_persons_own_colours(browser: Browser, night_page: Path) -> None:
    shop = open_file(browser, night_page, forced_colors="active")
    shop.named("hero/mug/marble/main").focus()
    shop.keys("c")
    borders = shop.page.locator("#shot-0 .frame").evaluate_all(
        "all => all.map((node) => getComputedStyle(node)).map((style) => style.borderTopWidth + style.borderTopStyle)"
    )
    assert set(borders) == {"4pxsolid", "1pxsolid", "1pxdashed"}
    chip = shop.page.get_by_role("group", name="States").get_by_role("button").first
    ground = "node => getComputedStyle(node).backgroundColor"
    before = chip.evaluate(ground)
    chip.click()
    assert chip.evaluate(ground) != before


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


# --- keys alone


def test_the_control_that_was_pressed_can_be_pressed_again(shop: Opened) -> None:
    page = shop.page
    shop.named("hero/mug/marble/main").click()
    page.get_by_role("button", name="Next picture").focus()
    shop.keys("Enter", "Enter", "Enter")
    expect(page.locator("#viewer h2")).to_have_text("hero/lamp/marble/rival")
    assert held(shop) == "Next picture"
    page.get_by_role("button", name="Choose to compare").focus()
    shop.keys("Enter")
    assert held(shop) == "Chosen to compare"
    shop.keys("ArrowLeft", "c", "v")
    assert held(shop) == "Side by side"
    page.get_by_role("button", name="Swap").focus()
    shop.keys("Enter")
    assert held(shop) == "Swap"
    first = page.locator("#compare figcaption").first
    expect(first).to_have_text("hero/lamp/marble/main")
    shop.keys("3")
    page.get_by_role("button", name="Swap").focus()
    shop.keys(" ")
    expect(page.locator("#compare .turn-name")).to_have_text("hero/lamp/marble/rival")
    shop.keys("Escape")
    page.get_by_role("button", name="Clear").focus()
    shop.keys("Enter")
    assert shop.focused()


def test_closing_gives_the_focus_back_to_what_opened(shop: Opened) -> None:
    page = shop.page
    link = page.locator("#trouble .names button").first
    link.focus()
    shop.keys("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    shop.keys("Escape")
    expect(link).to_be_focused()
    shop.keys("Enter", "ArrowRight", "Escape")
    expect(page.locator("#viewer")).not_to_be_visible()
    expect(page.locator("#shots .tile:focus"), "the picture last looked at").to_have_count(1)
    assert shop.focused()


def test_the_focus_outlives_what_is_drawn_anew(shop: Opened) -> None:
    shop.named("story/harbour/rain").focus()
    shop.keys("n")
    assert shop.focused() == "story/harbour/rain"
    shop.keys("n", "n")
    assert shop.focused() == "story/harbour/rain"
    shop.named("story/harbour").focus()
    shop.keys("n")
    assert shop.focused() == "hero/mug/marble/main", "it is not new, so the first of those that are"
    shop.keys("ArrowRight")
    assert shop.focused() not in {"", "hero/mug/marble/main"}


def test_arrows_move_a_picture_that_is_larger_than_its_place(browser: Browser, tmp_path: Path) -> None:
    made = Night()
    made.asset("a/1", how={"width": 4000, "height": 3000})
    made.asset("a/2")
    shop = open_page(browser, tmp_path, made)
    shop.named("a/1").click()
    shop.keys("z")
    canvas = shop.page.get_by_role("region", name="The picture in actual size")
    canvas.focus()
    shop.keys("ArrowRight", "ArrowRight")
    expect(shop.page.locator("#viewer h2")).to_have_text("a/1")
    shop.page.wait_for_function("node => node.scrollLeft > 0", arg=canvas.element_handle())
    shop.keys("z")
    assert held(shop) == "Actual size"


# --- screen readers


def test_what_is_told_is_told_inside_of_the_dialog_that_is_open(shop: Opened) -> None:
    page = shop.page
    shop.keys("c")
    expect(page.locator("body > #said")).to_have_text("Go to a picture first")
    shop.named("story/harbour").click()
    expect(page.get_by_role("dialog", name="story/harbour")).to_be_visible()
    shop.keys("ArrowUp")
    expect(page.locator("#viewer #said")).to_have_text("This is the base picture")
    shop.keys("ArrowDown")
    expect(page.locator("#viewer #said")).to_have_text("story/harbour/rain, done")
    shop.keys("p", "3", " ")
    expect(page.locator("#compare #said")).to_have_text("story/harbour/rain")
    shop.keys("Escape", "Escape", "c")
    expect(page.locator("body > #said")).to_contain_text("Chosen: story/harbour/rain")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_each_table_has_a_name_of_its_own(shop: Opened) -> None:
    names = shop.page.get_by_role("table").evaluate_all("all => all.map((node) => node.getAttribute('aria-label'))")
    assert names[:2] == ["hero, marble", "hero, linen"]
    assert len(set(names)) == len(names)


# --- words


def test_a_manifest_without_pictures_is_told_from_one_that_never_ran(browser: Browser, tmp_path: Path) -> None:
    data = SheetData(manifest="shop", typed="jobs/shop.yaml", runs=(run_row(0),))
    told = open_page(browser, tmp_path, Night(), data).page.locator("#verdict")
    assert told.inner_text().startswith("The manifest asks for no pictures")
    assert "pipeline plan jobs/shop.yaml" in told.inner_text()


def test_pictures_that_are_gone_from_the_disk_are_not_called_there(browser: Browser, tmp_path: Path) -> None:
    made = Night()
    rows = [made.asset(f"a/{number}") for number in range(12)]
    for row in rows[:10]:
        assert row.image
        del made.pictures[row.image.digest]
    shop = open_page(browser, tmp_path, made)
    verdict = shop.page.locator("#verdict")
    assert verdict.inner_text().startswith("2 of 12 pictures are there.")
    verdict.get_by_role("button", name="10 gone from the disk").click()
    shop.shows(10)
    assert shop.page.locator("#trouble .covers .hole:visible").count() == 0
    assert shop.errors == []


def test_sketches_that_were_counted_in_money_are_not_said_to_cost_nothing(browser: Browser, tmp_path: Path) -> None:
    made = Night()
    made.asset("a/1", space="sketch")
    told = open_page(browser, tmp_path, made).page.locator("#verdict").inner_text()
    assert "sketches, with prices as if bought" in told
    free = replace(made.data(), total=SheetData(manifest="", typed="").total)
    told = open_page(browser, tmp_path / "free", made, free).page.locator("#verdict").inner_text()
    assert "sketches, drawn at no cost" in told


def test_the_rest_of_a_cause_is_that_cause_alone(browser: Browser, tmp_path: Path) -> None:
    made = Night()
    for number in range(20):
        said = "no such file" if number < 12 else "the answer was empty"
        made.asset(f"a/{number:02}", shows="", warnings=(said,))
    shop = open_page(browser, tmp_path, made)
    shop.page.get_by_role("button", name="and 4 more").click()
    shop.shows(12)
    shop.page.get_by_role("button", name="Show more than these 12 pictures").click()
    shop.shows(20)
    assert shop.errors == []


def test_differences_are_marked_word_by_word_also_without_spaces(browser: Browser, tmp_path: Path) -> None:
    made = Night()
    made.asset("a/1", prompt="海边的悬崖上有一座红色灯塔。")
    made.asset("a/2", prompt="海边的悬崖上有一座蓝色灯塔。")
    shop = open_page(browser, tmp_path, made)
    for name in ("a/1", "a/2"):
        shop.named(name).click(modifiers=["Shift"])
    shop.keys("v")
    marks = shop.page.locator(".differences tbody tr").first.locator("mark").all_text_contents()
    assert marks == ["红色", "蓝色"]


def test_long_prompts_that_differ_in_a_word_are_marked_and_wholly_other_ones_are_one_mark(
    browser: Browser, tmp_path: Path
) -> None:
    made = Night()
    before, after = "a lake and its hills " * 700, " in the light of noon" * 700
    made.asset("a/1", prompt=f"{before}red{after}")
    made.asset("a/2", prompt=f"{before}teal{after}")
    made.asset("a/3", prompt="海边的悬崖" * 6_000)
    made.asset("a/4", prompt="红")
    shop = open_page(browser, tmp_path, made)
    for names, marks in ((("a/1", "a/2"), ["red", "teal"]), (("a/3", "a/4"), ["海边的悬崖" * 6_000, "红"])):
        for name in names:
            shop.named(name).click(modifiers=["Shift"])
        shop.keys("v")
        prompts = shop.page.locator(".differences tbody tr").first
        assert prompts.locator("mark").all_text_contents() == marks
        shop.keys("Escape")
    assert shop.errors == []
