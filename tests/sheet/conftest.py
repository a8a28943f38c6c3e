"""A browser for each file of tests, and a night's page in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from pipeline.sheet.writing import write
from tests.sheet.making import night
from tests.sheet.opening import Opened, chromium, open_file


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def night_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night's page with all its files, only to be looked at."""
    made, folder = night(), tmp_path_factory.mktemp("night") / "output" / "shop"
    return write(folder, made.data(), made.finder(folder))


@pytest.fixture
def shop(browser: Browser, night_page: Path) -> Iterator[Opened]:
    """A night's page at 1280 pixels; nothing may have complained when the test is over."""
    opened = open_file(browser, night_page)
    yield opened
    assert opened.errors == []
    assert opened.asked == []
    opened.page.context.close()
