"""The tier itself stays on the machine, and notices what does not."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Playwright

from tests.browser.chromium import Chromium
from tests.browser.watched import Watch, barriers, overflow

POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'"


class Pages(BaseHTTPRequestHandler):
    """Serves what a page of the test is made of, under a policy."""

    body = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(b"<!doctype html><html lang=en><title>t</title><main><h1>t</h1>" + self.body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """Of a server of pages."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<img alt=a src=http://elsewhere.invalid/a.png>", "asks for http://elsewhere.invalid/a.png"),
        ("<script>alert(1)</script>", "Content Security Policy"),
        ("<img alt=a src=data:,>", "data:,"),
    ],
)
def test_what_a_page_does_wrong_is_seen(body: str, seen: str, address: str, watch: Watch) -> None:
    """A request that leaves the machine, a script that the policy forbids."""
    Pages.body = body.encode()
    with watch.allowing(""):
        watch.context.new_page().goto(address)
        assert seen in "\n".join(watch.problems())


def test_what_cannot_be_read_or_reached_is_seen(address: str, watch: Watch) -> None:
    """Pale letters, a picture without words, a table that pushes the page sideways."""
    pale = "<p style='color: #ccc; background: #fff'>pale</p><p><input></p>"
    Pages.body = f"{pale}<div style='width: 3000px'>wide</div>".encode()
    page = watch.context.new_page()
    with watch.allowing("favicon"):
        page.goto(address)
    found = "\n".join(barriers(page))

    assert "color-contrast" in found
    assert "label" in found
    assert any("3000px" in each for each in overflow(page))


def test_neither_browser_nor_driver_speaks_to_anybody(
    chromium: Chromium, driver: Playwright, address: str, tmp_path: Path
) -> None:
    """The browser's log of its network has the loopback's addresses only; the driver has no connection."""
    log = tmp_path / "net.json"
    browser = chromium.launch(driver, f"--log-net-log={log}")
    Pages.body = b"<p>quiet</p>"
    page = browser.new_page()
    page.goto(address)
    page.wait_for_timeout(2000)
    peers = {
        connection.raddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.raddr
    }
    browser.close()

    assert {each for each in peers | connected(log) if not ip_address(each).is_loopback} == set()
    assert "127.0.0.1" in connected(log)


def connected(log: Path) -> set[str]:
    """The addresses that Chromium opened a TCP connection to, by its log."""
    events = json.loads(log.read_text(encoding="utf-8"))
    kind = events["constants"]["logEventTypes"]["TCP_CONNECT_ATTEMPT"]
    tried = [each.get("params", {}).get("address") for each in events["events"] if each["type"] == kind]
    return {address.rpartition(":")[0].strip("[]") for address in tried if address}
