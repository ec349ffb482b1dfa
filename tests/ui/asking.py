"""What tests ask of pages on which one does something."""

import html
import re
import time

import urllib3

from tests.ui.served import Pages

SECONDS = 120
"""Within which a job must be done."""


def done(pages: Pages, answer: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    """The page of a job that was begun, once that is done."""
    assert answer.status == 303, answer.data.decode()
    path, until = answer.headers["Location"], time.monotonic() + SECONDS
    while time.monotonic() < until:
        page = pages.get(path)
        if "data-poll" not in page.data.decode():
            return page
        time.sleep(0.05)
    raise AssertionError(f"{path}: is still under way")


def fields_in(page: str) -> dict[str, str]:
    """The form of a page as a browser would send it, but for its buttons."""
    found = dict(re.findall(r'<input id="[^"]*" name="([^"]*)"[^>]*? value="([^"]*)"', page))
    found |= dict(re.findall(r'<textarea [^>]*?name="([^"]*)"[^>]*>\n(.*?)</textarea>', page, re.DOTALL))
    for name, options in re.findall(r'<select id="[^"]*" name="([^"]*)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return {name: html.unescape(value) for name, value in found.items()}


def with_file(
    pages: Pages, path: str, fields: dict[str, str], file: tuple[str, bytes]
) -> urllib3.BaseHTTPResponse:
    """Send a form with a picture, as a browser does."""
    body, kind = urllib3.encode_multipart_formdata({**fields, "picture": file})
    headers = {"Content-Type": kind, "Origin": pages.address, "Cookie": pages.cookie}
    return pages.client.request(
        "POST", pages.address + path, body=body, headers=headers, redirect=False, timeout=SECONDS
    )
