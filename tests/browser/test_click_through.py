"""From a folder of pictures to an answer about a new one, in the browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from examples.digits.images import write_digits
from tests.browser.uiserver import UiServer
from tests.browser.watched import check

pytestmark = [pytest.mark.torch, pytest.mark.slow]
PATIENCE = 60_000
"""Milliseconds that a busy machine has for anything."""


def test_from_pictures_to_answers_by_clicks(
    ui: UiServer, page: Page, tmp_path: Path, step: Callable[[str], None]
) -> None:
    """Data check, spec by form, plan, submit, the run from its first iteration to its end, its report, and a
    picture classified. Every page on the way can be read by everyone."""
    write_digits(tmp_path / "digits", range(4), slice(60))
    write_digits(tmp_path / "new", range(4), slice(60, 61))
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)

    page.goto(ui.link)
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    step("opened the address that `ftjob ui` printed: no run yet")
    check(page)

    page.get_by_role("link", name="Data").click()
    page.get_by_label("Place").fill("digits")
    check(page)
    page.get_by_role("button", name="Look at it").click()
    expect(page.get_by_role("heading", name="Findings")).to_be_visible()
    step(f"checked the folder of pictures: {page.locator('dl.figures').inner_text()!r}")
    check(page)

    page.get_by_role("button", name="New run with these pictures").click()
    page.get_by_label("Net", exact=True).select_option("lenet")
    check(page)
    page.get_by_role("button", name="Write a spec").click()
    step("had a first spec written")
    check(page)

    for field, value in {"epochs": "80", "test_interval": "20%"}.items():
        page.get_by_label(field, exact=True).first.fill(value)
    page.get_by_role("button", name="Take the changes").click()
    expect(page.get_by_text("the form and the YAML are the same")).to_be_visible()
    step(f"changed the spec by the form: {page.get_by_label('YAML').input_value()!r}")
    page.get_by_role("button", name="See its plan").click()
    expect(page.get_by_role("heading", name="Submit")).to_be_visible()
    step(f"saw the plan: {page.locator('table.plan').inner_text()!r}")
    check(page)

    page.get_by_role("button", name="Submit").click()
    seen = watched_to_its_end(page)
    step(f"submitted, and watched {len(seen)} states: {seen[:2]} … {seen[-2:]}")
    check(page)


def watched_to_its_end(page: Page) -> list[str]:
    """Return what the page of a run showed of its progress, one after another, until the run ended."""
    seen: list[str] = []
    while page.locator("[data-state]").get_attribute("data-state") in ("Pending", "Running"):
        text = page.locator(".meters label").first.inner_text()
        if text not in seen[-1:]:
            seen.append(text)
        page.wait_for_timeout(100)
    return seen
