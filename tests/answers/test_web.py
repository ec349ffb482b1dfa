"""Pictures by http address: what a server may do, and what becomes of it."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from ftjob.answers import pictures
from ftjob.answers.pictures import MissingPictureError, find_pictures

pytestmark = pytest.mark.slow  # retries wait between each other

PICTURE = b"a picture's bytes"


class Web(http.server.BaseHTTPRequestHandler):
    """Answers by path."""

    protocol_version = "HTTP/1.1"
    refused = 0

    def do_GET(self) -> None:
        match self.path:
            case "/picture":
                self.answer(200, PICTURE)
            case "/moved":
                self.answer(302, b"", Location="/picture")
            case "/circle":
                self.answer(302, b"", Location="/circle")
            case "/busy":
                type(self).refused += 1
                self.answer(200 if self.refused > 2 else 503, PICTURE)
            case "/endless":
                self.send_response(200)
                self.end_headers()
                with suppress(OSError):  # the reader hangs up
                    while True:
                        self.wfile.write(b"x" * 65536)
            case "/cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"short")
                self.close_connection = True
            case _:
                self.answer(404, b"")

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    """The address of a server on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def read(address: str) -> bytes:
    [picture] = find_pictures([address])
    assert picture.name == address
    return picture.read()


@pytest.mark.parametrize("path", ["picture", "moved", "busy"])
def test_a_picture_is_fetched(web: str, path: str) -> None:
    """Through redirects, and again where a server is busy."""
    assert read(f"{web}/{path}") == PICTURE


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("none", "the server answers 404 Not Found"),
        ("circle", "redirects more than 5 times"),
        ("cut", "cannot be fetched"),
        ("endless", "has more than"),
    ],
)
def test_what_is_no_picture_is_refused(
    web: str, path: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within bounds of size and tries."""
    monkeypatch.setattr(pictures, "LARGEST", 1_000_000)
    monkeypatch.setattr(pictures, "PATIENCE_SECONDS", 1.0)
    with pytest.raises(MissingPictureError, match=sentence):
        read(f"{web}/{path}")


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "http://[::", "https://", "http://a b/"])
def test_no_server(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor any address."""
    monkeypatch.setattr(pictures, "PATIENCE_SECONDS", 1.0)
    with pytest.raises(MissingPictureError, match="cannot be fetched"):
        read(address)
