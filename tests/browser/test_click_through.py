"""From a folder of pictures to an answer about a new one, in the browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from examples.digits.images import write_digits
from ftjob.runfolder.status import State
from tests.browser.pageserver import PageServer
from tests.browser.watched import check
from tests.forked import client

pytestmark = [pytest.mark.torch, pytest.mark.slow]
Step = Callable[[str], None]
"""Writes a step into the test's log."""
ENDED = {state.value for state in State if state.ended}
PATIENCE = 60_000
"""Milliseconds that a busy machine has for anything."""


@pytest.fixture
def service(tmp_path: Path, cache: Path) -> Iterator[PageServer]:
    """`ftjob serve` of the run that is made here, not yet started."""
    server = PageServer(tmp_path, ("serve", "digits"))
    yield server
    server.kill()


def test_from_pictures_to_answers_by_clicks(
    ui: PageServer, service: PageServer, page: Page, tmp_path: Path, step: Step
) -> None:
    """Data check, spec by form, plan, submit, the run from its first iteration to its end, its report, and a
    picture classified. Every page on the way can be read by everyone."""
    write_digits(tmp_path / "digits", range(4), slice(60))
    write_digits(tmp_path / "new", range(4), slice(60, 61))
    picture = tmp_path / "new" / "2" / "000.png"
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.goto(ui.link)
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    step("opened the address that `ftjob ui` printed: no run yet")
    check(page)

    look_at_data(page, step)
    write_and_plan(page, step)
    seen = submit_and_watch(page, step)
    read_the_report(page, step)
    page.get_by_role("link", name="Classify with it").click()
    answer = answer_about(page, "Picture", picture)
    step(f"classified a picture of a 2: {answer!r}")
    service.start()
    page.goto(service.address)
    served = answer_about(page, "Pictures to classify", picture)
    step(f"asked `ftjob serve` about the same picture: {served!r}")
    printed = client.run([*client.FTJOB, "classify", "digits", str(picture), "--top", "4"], tmp_path)

    assert seen[0].endswith("–") or "\n0/" in seen[0], "it is watched from the beginning"
    assert percents(printed.stdout) == percents(answer) == percents(served)


def look_at_data(page: Page, step: Step) -> None:
    """Have a folder of pictures checked, and begin a run with it."""
    page.get_by_role("link", name="Data").click()
    page.get_by_label("Place").fill("digits")
    check(page)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="Findings")).to_be_visible()
    step(f"checked the folder of pictures: {page.locator('dl.figures').inner_text()!r}")
    check(page)
    page.get_by_role("button", name="New run with these pictures").click()


def write_and_plan(page: Page, step: Step) -> None:
    """Have a first spec written, change it by the form, and see its plan."""
    page.get_by_label("Net", exact=True).select_option("lenet")
    check(page)
    page.get_by_role("button", name="Write a spec").click()
    step("had a first spec written")
    check(page)
    for field, value in {"epochs": "60", "test_interval": "20%", "snapshot": "50%"}.items():
        page.get_by_label(field, exact=True).first.fill(value)
    page.get_by_role("button", name="Take the changes").click()
    expect(page.get_by_text("the form and the YAML are the same")).to_be_visible()
    step(f"changed the spec by the form: {page.get_by_label('YAML').input_value()!r}")
    page.get_by_role("button", name="See its plan").click()
    expect(page.get_by_role("heading", name="Submit")).to_be_visible()
    step(f"saw the plan: {page.locator('table.plan').inner_text()!r}")
    check(page)


def submit_and_watch(page: Page, step: Step) -> list[str]:
    """Submit the run; return what its page showed of its progress, one after another, until it ended."""
    page.get_by_role("button", name="Submit").click()
    seen: list[str] = []
    while page.locator("[data-state]").get_attribute("data-state") not in ENDED:
        text = page.locator(".meters label").first.inner_text()
        if text not in seen[-1:]:
            seen.append(text)
        page.wait_for_timeout(100)
    expect(page.locator("[data-state=Succeeded]")).to_be_visible()
    expect(page.locator(".plot").first).to_be_visible()
    step(f"submitted, and watched {len(seen)} states: {seen[:3]} … {seen[-3:]}")
    check(page)
    return seen


def read_the_report(page: Page, step: Step) -> None:
    """Open the report, and go back."""
    page.get_by_role("link", name="Report as one file").click()
    expect(page.get_by_role("heading", name="What was trained")).to_be_visible()
    step(f"read the report: {page.locator('dl.figures').inner_text()!r}")
    page.go_back()


def answer_about(page: Page, label: str, picture: Path) -> str:
    """Choose a picture on a page that classifies; return the rows of its answer."""
    check(page)
    page.get_by_label(label, exact=True).set_input_files(picture)
    page.get_by_role("button", name="Classify", exact=True).click()
    expect(page.get_by_role("heading", name="000.png")).to_be_visible()
    check(page)
    return page.locator("main tbody").inner_text()


def percents(text: str) -> list[float]:
    """Return the shares in a text."""
    return [float(share) for share in re.findall(r"([\d.]+) ?%", text)]
