"""A Chromium for the tests of this process, and in each test pages of its own, which are watched."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from tests.browser.chromium import Chromium, unpacked
from tests.browser.pageserver import PageServer
from tests.browser.watched import Watch
from tests.conftest import MACHINE_CACHE


@pytest.fixture(scope="session")
def chromium(needs_browser: None) -> Chromium:
    """Debian's, which is brought where the machine has none."""
    return unpacked(MACHINE_CACHE)


@pytest.fixture(scope="session")
def driver(chromium: Chromium) -> Iterator[Playwright]:
    """Playwright's."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(chromium: Chromium, driver: Playwright) -> Iterator[Browser]:
    """A browser without a window."""
    browser = chromium.launch(driver)
    yield browser
    browser.close()


@pytest.fixture
def watch(browser: Browser) -> Iterator[Watch]:
    """What goes wrong in this test's pages fails it."""
    context = browser.new_context()
    watch = Watch(context)
    yield watch
    problems = watch.problems()
    context.close()
    assert problems == []


@pytest.fixture
def page(watch: Watch) -> Page:
    """An empty page."""
    return watch.context.new_page()


@pytest.fixture
def ui(tmp_path: Path, cache: Path) -> Iterator[PageServer]:
    """The pages of `ftjob ui`, served from this test's folder."""
    server = PageServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def step() -> Callable[[str], None]:
    """Write a step into the test's log, with the seconds since it began."""
    log, begin = logging.getLogger("steps"), time.monotonic()
    return lambda text: log.info("%5.1f s  %s", time.monotonic() - begin, text)
