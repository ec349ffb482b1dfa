"""Laws of the pages that ftjob writes as files, seen by a browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.watched import check
from tests.browser.written import HOSTILE, write_pages

KINDS = (
    "report",
    "failed",
    "running",
    "many classes",
    "hostile names",
    "two runs",
    "five runs",
    "sweep",
)


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind."""
    return write_pages(tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("kind", KINDS)
def test_everyone_can_read_it(kind: str, pages: dict[str, Path], page: Page) -> None:
    """Light and dark, on a desktop and a phone: nothing that axe finds grave, nothing wider than the window;
    nothing is asked of the network, nothing complained about."""
    page.goto(pages[kind].as_uri())

    check(page)


def test_names_from_outside_run_nothing(pages: dict[str, Path], page: Page) -> None:
    """They are shown, letter by letter."""
    page.goto(pages["hostile names"].as_uri())

    assert page.title().startswith("emotions: Succeeded")
    assert HOSTILE[0] in page.locator("#each").inner_text()
    assert page.locator("script").count() == 0


def test_everything_can_be_reached_by_keyboard(pages: dict[str, Path], page: Page) -> None:
    """Details unfold with Enter; what scrolls sideways takes the focus."""
    page.goto(pages["report"].as_uri())
    reached: set[str] = set()
    while (label := focused(page)) not in reached:
        reached.add(label)
        if label == "Layer by layer":
            page.keyboard.press("Enter")

    assert {"Confusion matrix", "Each class", "Every test", "Weights layer by layer", "The spec"} <= reached


def focused(page: Page) -> str:
    """Return what the next element is called that the Tab key comes to."""
    page.keyboard.press("Tab")
    return page.evaluate("document.activeElement.ariaLabel || document.activeElement.innerText")
