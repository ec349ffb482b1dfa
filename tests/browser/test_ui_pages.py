"""The pages of `ftjob ui` in a browser: read by everyone, by keyboard, through a lost connection, of a
thousand runs."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.lock import only_worker
from ftjob.runfolder.status import State, Status, render
from tests.browser.pageserver import PageServer
from tests.browser.watched import Watch, check, overflow
from tests.hostile_runs import finished
from tests.ui.test_all_runs import copies
from tests.ui.test_several_runs import sweep_under_way

PATIENCE = 60_000
"""Milliseconds that a busy machine has for anything."""
HOSTILE = "<img src=x onerror=\"document.title = 'taken over'\"><b>\x1b[31m" + "a" * 10_000


@pytest.fixture(autouse=True)
def patient(ui: PageServer, page: Page) -> None:
    """Wait long for a busy machine; the pages go before their server does."""
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)


@pytest.fixture
def emotions(tmp_path: Path, cache: Path) -> RunFolder:
    """A finished run."""
    return finished(tmp_path)


def change(folder: RunFolder, **fields: object) -> None:
    """Have a run's status be another."""
    status = Status.parse(folder.status.read_bytes())
    files.write_text(folder.status, render(replace(status, **fields)))  # type: ignore[arg-type]


def test_everyone_can_read_every_page(
    emotions: RunFolder, ui: PageServer, page: Page, watch: Watch, tmp_path: Path
) -> None:
    """Of a list, a run, its log, a comparison, a sweep, and what is not there; others are clicked through."""
    copies(emotions, 3)
    sweep = sweep_under_way(tmp_path)
    run = f"emotions/{emotions.root.name}"
    compared = f"/compare?run={run}&run=emotions/0000000001"
    for path in ("/", f"/runs/{run}", f"/runs/{run}/log", compared, f"/runs/digits/{sweep.root.name}"):
        page.goto(ui.address + path)
        check(page)
    with watch.allowing("404"):
        page.goto(ui.address + "/runs/nobody")
        check(page)


def test_names_and_messages_are_text(emotions: RunFolder, ui: PageServer, page: Page) -> None:
    """Hostile ones run nothing, and push no page sideways."""
    change(emotions, message=HOSTILE, reason=HOSTILE[:200], state=State.FAILED, exit_code=4)
    files.write_text(emotions.log(2), HOSTILE)
    page.goto(f"{ui.address}/runs/emotions")

    assert "<img src=x onerror" in page.locator(".why").inner_text()
    assert overflow(page) == []
    page.get_by_role("link", name="Log").click()
    assert "<img src=x onerror" in page.locator("#log").inner_text()
    page.goto(ui.address + "/")
    assert page.title() == "Runs"
    assert overflow(page) == []


def test_a_lost_connection_is_found_again(
    emotions: RunFolder, ui: PageServer, page: Page, watch: Watch
) -> None:
    """The page says that it is lost, and then shows what has happened meanwhile, without a reload."""
    with only_worker(emotions):
        change(emotions, state=State.RUNNING, ended=None, exit_code=None, iteration=1000)
        page.goto(f"{ui.address}/runs/emotions")
        expect(page.locator(".meters")).to_contain_text("1,000/4,000")
        page.evaluate("window.loadedOnce = true")
        with watch.allowing("Failed to load resource|ERR_|EventSource"):
            ui.kill()
            expect(page.locator("#connection")).to_contain_text("Not connected")
            change(emotions, iteration=2500)
            ui.start()
            expect(page.locator(".meters")).to_contain_text("2,500/4,000")
            expect(page.locator("#connection")).to_be_empty()
        assert page.evaluate("window.loadedOnce")


def test_a_keyboard_is_enough(emotions: RunFolder, ui: PageServer, page: Page) -> None:
    """The first Tab skips the navigation; what has the focus can be seen; Enter opens a run."""
    page.goto(ui.address + "/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for _ in range(40):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        if page.evaluate("document.activeElement.matches('a[href^=\"/runs/\"]')"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("emotions/")


def test_a_thousand_runs_are_a_page(
    emotions: RunFolder, ui: PageServer, page: Page, step: Callable[[str], None]
) -> None:
    """Fifty at a time; how long it takes is written down."""
    copies(emotions, 1000)
    for what in ("first", "second"):
        begin = time.monotonic()
        page.goto(ui.address + "/")
        expect(page.locator("#runs tbody tr")).to_have_count(50)
        step(f"{what} page of 1,001 runs: {time.monotonic() - begin:.2f} s")
    begin = time.monotonic()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("Page 2 of")).to_be_visible()
    step(f"the next page: {time.monotonic() - begin:.2f} s")
    sizes = page.evaluate("performance.getEntriesByType('navigation').map(each => each.transferSize)")
    step(f"which has {json.dumps(sizes)} bytes")
