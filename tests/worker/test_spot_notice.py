"""Spot notices, from a metadata service on loopback that speaks IMDSv2 (there is no EC2 here)."""

import http.server
import threading
import time
from collections.abc import Iterator

import pytest

from ftjob.worker.pod.context import ENV_METADATA, ENV_METADATA_DISABLED, PodContext
from ftjob.worker.watch.spot_notice import FAILURES, Notices

NOTICE = '{"action": "terminate", "time": "2026-11-22T08:22:00Z"}'


class Metadata(http.server.ThreadingHTTPServer):
    """Knows one token, and a notice once it is given one."""

    notice = ""
    asked = 0


class Answers(http.server.BaseHTTPRequestHandler):
    server: Metadata

    def do_PUT(self) -> None:
        assert self.path == "/latest/api/token"
        assert int(self.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 60
        self.answer(200, "t0k3n")

    def do_GET(self) -> None:
        self.server.asked += 1
        if self.headers["X-aws-ec2-metadata-token"] != "t0k3n":
            self.answer(401, "")
        elif self.path == "/latest/meta-data/spot/instance-action" and self.server.notice:
            self.answer(200, self.server.notice)
        else:
            self.answer(404, "")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """Serve it for one test."""
    with Metadata(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def endpoint(server: Metadata) -> str:
    return f"http://127.0.0.1:{server.server_port}/"


def until(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (NOTICE, "EC2 will terminate the spot instance at 2026-11-22T08:22:00Z"),
        ("soon", "the spot instance has a notice: soon"),
    ],
)
def test_a_notice_is_reported_once(metadata: Metadata, notice: str, words: str) -> None:
    """With what will happen and when; before it there is nothing to report."""
    heard: list[str] = []
    with Notices(heard.append, endpoint(metadata), poll_seconds=0.01):
        until(lambda: metadata.asked > 3)
        assert heard == []
        metadata.notice = notice
        until(lambda: heard)

    assert heard == [words]


def test_where_nobody_answers_it_is_given_up(metadata: Metadata) -> None:
    """A laptop, another cloud: a few questions, and the thread ends."""
    free = endpoint(metadata)
    metadata.shutdown()
    metadata.server_close()
    begin = threading.active_count()

    with Notices(pytest.fail, free, poll_seconds=0.01):
        until(lambda: threading.active_count() <= begin)
        assert threading.active_count() <= begin, FAILURES


def test_nobody_is_asked_who_is_not_to_be(metadata: Metadata) -> None:
    """AWS's own switch."""
    env = {ENV_METADATA: endpoint(metadata), ENV_METADATA_DISABLED: "TRUE"}

    with Notices(pytest.fail, PodContext.from_env(env).metadata, poll_seconds=0.01):
        time.sleep(0.1)

    assert metadata.asked == 0
