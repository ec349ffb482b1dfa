"""The pages of `ftjob ui`, served on a real socket, and a browser's requests without the browser."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from ftjob.ui.app import create_app
from ftjob.ui.settings import UiSettings
from ftjob.web.server import address_of, listen, run

TOKEN = "a-token-of-these-tests"
SILENT_SECONDS = 60.0
"""Within which an event must come."""
HOSTS = frozenset({"127.0.0.1", "localhost"})


@dataclass(frozen=True)
class Pages:
    """A server, and a client with or without its token."""

    address: str
    client: urllib3.PoolManager
    cookie: str = ""

    def get(self, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
        """Ask for a page; redirects are not followed."""
        return self.request("GET", path, **headers)

    def post(
        self, path: str, fields: dict[str, str] | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Send a form as a page of this server would."""
        return self.request("POST", path, fields or {}, **{"Origin": self.address, **headers})

    def request(
        self, method: str, path: str, fields: dict[str, str] | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        """Make a request with the client's cookie; `Sec_Fetch_Site` is sent as Sec-Fetch-Site."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent["Cookie"] = self.cookie
        body = None
        if fields is not None:
            body = urlencode(fields)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        return self.client.request(
            method, self.address + path, body=body, headers=sent, redirect=False, timeout=30
        )

    def text(self, path: str) -> str:
        """Return a page that is there."""
        answer = self.get(path)
        assert answer.status == 200, answer.data.decode()
        return answer.data.decode()

    @contextmanager
    def stream(self, path: str) -> "Iterator[Iterator[dict[str, Any]]]":
        """Give the events of a page that follows something."""
        answer = self.client.request(
            "GET", self.address + path, preload_content=False, redirect=False, timeout=SILENT_SECONDS
        )
        assert answer.status == 200, answer.data.decode()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        try:
            yield _events(answer)
        finally:
            answer.close()

    def with_token(self) -> "Pages":
        """Return the client after it opened the address that the terminal prints."""
        answer = self.get(f"/?token={TOKEN}")
        assert answer.status == 303
        return Pages(self.address, self.client, answer.headers["Set-Cookie"].partition(";")[0])


def _events(answer: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    data: list[str] = []
    for line in io.TextIOWrapper(answer, encoding="utf-8", newline="\n"):  # type: ignore[type-var]
        if line.startswith("data: "):
            data.append(line.removeprefix("data: ").strip("\r\n"))
        elif not line.strip() and data:
            yield json.loads("\n".join(data))
            data = []


@contextmanager
def served(settings: UiSettings | None = None) -> Iterator[Pages]:
    """Serve the pages from a thread, which the process's end ends."""
    app = create_app(settings or UiSettings(TOKEN, HOSTS))
    listening = listen("127.0.0.1", 0)
    threading.Thread(target=run, args=(app, listening), daemon=True).start()
    with urllib3.PoolManager(retries=False) as client:
        yield Pages(address_of(listening), client)
