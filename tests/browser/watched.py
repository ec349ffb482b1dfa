"""A browser under watch: what its pages ask for, complain about, and hide from those who do not see them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from axe_core_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, WebError

HERE = {"127.0.0.1", "localhost", "::1"}
GRAVE = {"serious", "critical"}
"""The impacts of what axe finds that a page may not have."""


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    scheme: Literal["light", "dark"]
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.scheme} at {self.width} × {self.height}"


FOLDED = "details:not([open]) > :not(summary) { display: none; }"
"""What is folded cannot be seen; this axe does not know how browsers hide it."""
DESKTOP, PHONE = (1280, 900), (390, 844)
LOOKS = tuple(Look(scheme, *size) for size in (PHONE, DESKTOP) for scheme in ("dark", "light"))
SEARCHED = (Look("dark", *PHONE), Look("light", *DESKTOP))


class Watch:
    """All that goes wrong in the pages of a context: requests that leave the machine, errors in scripts,
    complaints on the console, among them those about the Content-Security-Policy."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._problems: list[str] = []
        context.on("request", self._see_request)
        context.on("console", self._see_console)
        context.on("weberror", self._see_error)

    def problems(self) -> list[str]:
        """Return what went wrong."""
        for page in self.context.pages:
            page.evaluate("1")  # what has happened until now arrives before the answer
        return list(self._problems)

    @contextmanager
    def allowing(self, pattern: str) -> Iterator[None]:
        """Overlook problems that match: a test stops a server, say."""
        before = self.problems()
        yield
        later = self.problems()[len(before) :]
        self._problems = [*before, *(each for each in later if not re.search(pattern, each))]

    def _see_request(self, request: Request) -> None:
        if not is_here(request.url):
            self._problems.append(f"{request.frame.url} asks for {request.url}")

    def _see_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._problems.append(f"{message.location['url']}: {message.text}")

    def _see_error(self, error: WebError) -> None:
        self._problems.append(str(error.error))


def is_here(url: str) -> bool:
    """Return whether a request stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "file", "about") or parts.hostname in HERE


def looks_of(page: Page) -> Iterator[Look]:
    """Show a page in each look."""
    for look in LOOKS:
        page.emulate_media(color_scheme=look.scheme)
        page.set_viewport_size({"width": look.width, "height": look.height})
        yield look


def barriers(page: Page) -> list[str]:
    """Return what axe finds grave in a page as it is shown now, a sentence each."""
    page.add_style_tag(content=FOLDED)
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then(results => results.violations)")
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]}: {' '.join(node['failureSummary'].split())}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


def overflow(page: Page) -> list[str]:
    """Return the elements that make a page wider than the window: a phone's page is not pushed sideways."""
    return page.evaluate(
        """() => {
            const root = document.scrollingElement
            if (root.scrollWidth <= root.clientWidth) return []
            const isCut = each => each !== document.body
                && (getComputedStyle(each).overflowX !== 'visible' || isCut(each.parentElement))
            return [...document.body.querySelectorAll('*')]
                .filter(each => each.getBoundingClientRect().right > root.clientWidth + 1)
                .filter(each => !isCut(each.parentElement))
                .map(each => each.outerHTML.slice(0, 120))
        }"""
    )


def check(page: Page) -> None:
    """Hold a page to its laws: nothing wider than the window in any look, and nothing grave by axe.

    That is slow, so it searches two looks that differ in everything.
    """
    found = [
        f"{look}: {problem}"
        for look in looks_of(page)
        for problem in [*overflow(page), *(barriers(page) if look in SEARCHED else [])]
    ]

    assert not found, "\n".join([page.url, *found])
