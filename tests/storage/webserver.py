"""A web server for tests: serves what a script says, and misbehaves as it says."""

import hashlib
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = bytes(range(256)) * 4000
"""A megabyte."""
SHA1, SHA256 = hashlib.sha1(DATA).hexdigest(), hashlib.sha256(DATA).hexdigest()
OTHER = DATA[::-1]
PATH = "/models/net.caffemodel"
Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request, with the answers that a test may give."""

    protocol_version = "HTTP/1.1"
    site: "Site"

    def do_GET(self) -> None:
        """Give the next answer of the script, or the file."""
        self.close_connection = True
        self.site.asked.append((self.path, {name.title(): value for name, value in self.headers.items()}))
        script = self.site.script.get(self.path, [])
        answer = script.pop(0) if script else self.site.answers.get(self.path, not_found)
        try:
            answer(self)
        except (BrokenPipeError, ConnectionResetError):
            self.site.hung_up.set()

    def start(self, status: int, **headers: str) -> None:
        """Send a status and headers; `_` in a name stands for a dash."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@dataclass
class Site:
    """What a server answers."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By path."""
    script: dict[str, list[Answer]] = field(default_factory=dict)
    """By path: answers before those, each given once."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Paths and headers of requests."""
    hung_up: threading.Event = field(default_factory=threading.Event)
    """Set when a client closed a connection while it was being answered."""

    @property
    def ranges(self) -> list[str]:
        """The Range header of each request, empty where it has none."""
        return [headers.get("Range", "") for _, headers in self.asked]


@contextmanager
def serve(certificate: Path | None = None, key: Path | None = None) -> Iterator[Site]:
    """Run a server, with https where it has a certificate."""
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Request,), {"site": site}))
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        site.address = site.address.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def not_found(request: Request) -> None:
    """There is nothing."""
    request.start(404, Content_Length="0")


def status(code: int) -> Answer:
    """Return an answer with a status alone."""
    return lambda request: request.start(code, Content_Length="0")


def redirect(target: str, code: int = 302) -> Answer:
    """Return a redirect."""
    return lambda request: request.start(code, Location=target, Content_Length="0")


def file(
    data: bytes, etag: str | None = '"1"', *, cut: int | None = None, ranges: bool = True, length: bool = True
) -> Answer:
    """Return an answer with a file, or the range of it that is asked for; `cut` ends it at that byte."""

    def answer(request: Request) -> None:
        headers = {"ETag": etag} if etag else {}
        start, whole = 0, request.headers.get("If-Range", etag) != etag
        found = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if found and ranges and not whole:
            start = int(found[1])
            if start >= len(data):
                return request.start(416, Content_Range=f"bytes */{len(data)}", Content_Length="0")
            headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        if length:
            headers["Content_Length"] = str(len(data) - start)
        request.start(206 if "Content_Range" in headers else 200, **headers)
        request.wfile.write(data[start:cut])
        return None

    return answer


def location(site: Site, path: str = PATH, pinned: str = f"sha256={SHA256}") -> str:
    """A file of a server as a spec has it."""
    return f"{site.address}{path}#{pinned}"
