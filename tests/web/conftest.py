"""Servers on real sockets, in threads of the test's process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ftjob.web.server import ServerOptions, listen, run
from tests.web.app import guarded

Address = tuple[str, int]
Serve = Callable[..., Address]


@contextmanager
def served(app: object, options: ServerOptions) -> Iterator[Address]:
    """Serve an app and give its host and port; it is stopped at the end."""
    listening, stop = listen("127.0.0.1", 0), threading.Event()
    address = listening.getsockname()
    thread = threading.Thread(target=run, args=(app, listening, options, stop))
    thread.start()
    try:
        yield address
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers of the tests' app: `serve(hosts=…, connections=…)`."""
    with ExitStack() as stack:

        def start(hosts: tuple[str, ...] = (), **options: object) -> Address:
            return stack.enter_context(served(guarded(hosts), ServerOptions(**options)))

        yield start


def answer_to(address: Address, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send the bytes of a request, and return status, headers and body of the answer."""
    with socket.create_connection(address, 60) as client:
        client.sendall(request)
        return read_answer(client)


def read_answer(client: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read an answer with a Content-Length. Raises EOFError where none comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(client)
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _more(client)
    return int(status.split()[1]), headers, body


def _more(client: socket.socket) -> bytes:
    data = client.recv(65536)
    if not data:
        raise EOFError("the server closed the connection")
    return data
