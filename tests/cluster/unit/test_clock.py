"""The controller's clock is the API server's."""

import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from ftjob.cluster.controller.clock import Clock

AHEAD = 3600.0


class Versions(BaseHTTPRequestHandler):
    """Reports its version, and a time that is an hour ahead."""

    def do_GET(self) -> None:
        body = b'{"major": "1", "minor": "34", "gitVersion": "", "gitCommit": "", "gitTreeState": "",'
        body += b'"buildDate": "", "goVersion": "", "compiler": "", "platform": ""}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(time.time() + AHEAD, usegmt=True)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    """An API server of which only the time is asked."""
    from kubernetes import client

    with HTTPServer(("127.0.0.1", 0), Versions) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        configuration = client.Configuration(host=f"http://127.0.0.1:{made.server_port}")
        with client.ApiClient(configuration) as connection:
            yield client.VersionApi(connection)
        made.shutdown()
        thread.join()


def test_the_clock_follows_the_api_server(server: Any) -> None:
    """Pods' times are the cluster's: what is compared with them is, too."""
    clock = Clock()
    clock.follow(server)

    assert clock.now() == pytest.approx(time.time() + AHEAD, abs=20)


def test_without_an_api_server_it_goes_by_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """And says so; the controller itself waits for the API server elsewhere."""
    from kubernetes import client

    configuration = client.Configuration(host="http://127.0.0.1:9")
    configuration.retries = 0
    clock = Clock()
    with client.ApiClient(configuration) as connection:
        clock.follow(client.VersionApi(connection))

    assert clock.now() == pytest.approx(time.time(), abs=20)
    assert "time is unknown" in caplog.text
