"""Pages opened from disk in Chromium, as people open them."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.sheet.model import SheetData
from pipeline.sheet.writing import write
from tests.sheet.making import Night

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

needs_chromium = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed: apt install chromium"
    ),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page with what it complained about. asked: every address it wanted that is no file and no data."""

    page: Page
    folder: Path
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def tiles(self) -> list[str]:
        """Names of the assets that are drawn, in order."""
        names = self.page.locator("#shots .tile[data-number]").evaluate_all("all => all.map((node) => node.title)")
        return [str(name) for name in names]

    def shows(self, count: int) -> None:
        """Waits until exactly so many tiles are drawn."""
        expect(self.page.locator("#shots .tile[data-number]")).to_have_count(count)

    def settled(self) -> None:
        """Waits until what was begun is done: two frames, and what waits behind them.

        A dialog that closes gives the focus back, and a window that changes tells its size, a moment after the key
        or the call that made it so. A person never sees that moment, a program does.
        """
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
        )

    def resized(self, width: int, height: int) -> None:
        """Gives the window another size, and waits until the page has measured itself anew."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.wait_for_function(
            "([width, height]) => innerWidth === width && innerHeight === height", arg=[width, height]
        )
        self.settled()

    def focused(self) -> str:
        """The asset whose tile has the focus; empty without one."""
        self.settled()
        return str(self.page.evaluate("document.activeElement?.closest?.('.tile')?.title ?? ''"))

    def named(self, name: str) -> Any:
        """The tile of an asset."""
        return self.page.locator(f'#shots .tile[title="{name}"]')

    def keys(self, *keys: str) -> None:
        """Presses keys one after the other, each when what the one before it began is done."""
        for key in keys:
            self.page.keyboard.press(key)
            self.settled()

    def drawn(self) -> None:
        """Waits until everything is drawn."""
        expect(self.page.locator("#shots")).to_have_attribute("aria-busy", "false", timeout=30_000)


def open_page(
    browser: Browser,
    folder: Path,
    made: Night,
    data: SheetData | None = None,
    *,
    width: int = 1280,
    height: int = 900,
    **context: Any,
) -> Opened:
    """Writes a night's sheet and opens it; the test is to look at `errors` at its end."""
    output = folder / "output" / "shop"
    path = write(output, data if data is not None else made.data(), made.finder(output))
    return open_file(browser, path, width=width, height=height, **context)


def open_file(browser: Browser, path: Path, *, width: int = 1280, height: int = 900, **context: Any) -> Opened:
    """Opens a file that is there."""
    page = browser.new_context(viewport={"width": width, "height": height}, **context).new_page()
    opened = Opened(page=page, folder=path.parent)
    page.on("console", lambda message: opened.errors.append(message.text) if message.type != "log" else None)
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on(
        "request",
        lambda asked: opened.asked.append(asked.url) if not asked.url.startswith(("file:", "data:")) else None,
    )
    page.goto(path.as_uri())
    opened.drawn()
    return opened


def first_picture(browser: Browser, path: Path) -> tuple[Page, float]:
    """The page, and seconds from asking for it to its first decoded picture."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto("about:blank")
    began = time.perf_counter()
    page.goto(path.as_uri(), wait_until="commit")
    page.locator("#shots .tile img").first.evaluate("image => image.decode()")
    return page, time.perf_counter() - began
