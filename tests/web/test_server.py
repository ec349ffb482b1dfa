"""Laws of the server: slow clients, many clients, and an end that loses nothing."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from ftjob.errors import BadSpecError
from ftjob.web.connection import Patience
from ftjob.web.server import address_of, listen
from tests.storage.processes import wait_until
from tests.web.conftest import Serve, answer_to, read_answer

pytestmark = pytest.mark.slow  # deadlines pass

GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
PART = b"GET / HTTP/1.1\r\nHost: h"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 500000\r\n\r\n"
HURRIED = Patience(head_seconds=0.5, body_seconds=0.5, bytes_per_second=1_000_000, answer_seconds=0.5)


def is_closed(client: socket.socket, seconds: float = 60) -> bool:
    """Wait for the other side to close a connection."""
    client.settimeout(seconds)
    with suppress(ConnectionError):
        return client.recv(1) == b""
    return True


@pytest.mark.parametrize("sent", [b"", PART, POST, POST + b"x" * 1000], ids=["none", "head", "body", "more"])
def test_a_request_that_never_ends_is_ended(serve: Serve, sent: bytes) -> None:
    """A head or a body that is not whole in time closes the connection."""
    with socket.create_connection(serve(patience=HURRIED), 60) as client:
        client.sendall(sent)
        assert is_closed(client)


def test_an_answer_that_nobody_reads_is_ended(serve: Serve) -> None:
    """The app does not wait for ever."""
    with socket.create_connection(serve(patience=HURRIED), 60) as client:
        client.sendall(b"GET /flood HTTP/1.1\r\nHost: here\r\n\r\n")
        for _ in range(30):
            time.sleep(2)
            if is_drained_to_its_end(client):
                return
    pytest.fail("the server sends on and on")


def is_drained_to_its_end(client: socket.socket) -> bool:
    """Read what has arrived, as much as buffers hold; return whether nothing will follow it."""
    client.setblocking(False)
    with suppress(BlockingIOError, ConnectionError):
        for _ in range(32):
            if not client.recv(2**20):
                return True
    return False


def test_a_body_that_arrives_fast_enough_is_taken(serve: Serve) -> None:
    """Its time grows with what has arrived: only how fast it comes counts."""
    slow_but_steady = Patience(body_seconds=1.0, bytes_per_second=5_000)
    with socket.create_connection(serve(patience=slow_but_steady), 60) as client:
        client.sendall(POST + b"x" * 125_000)
        for _ in range(3):
            time.sleep(0.5)
            client.sendall(b"x" * 125_000)
        assert read_answer(client)[2] == b"500000\n"


def test_pipelined_and_kept_connections_answer_in_order(serve: Serve) -> None:
    """Deadlines of the request before do not hold for the next."""
    with socket.create_connection(serve(), 60) as client:
        client.sendall(GET * 3)
        data = b""
        while data.count(b"\r\n\r\n0\n") < 3:
            data += client.recv(65536)
        client.sendall(GET)
        assert read_answer(client)[2] == b"0\n"


def test_a_thousand_slow_clients_keep_nobody_waiting(serve: Serve) -> None:
    """More than there is room for, each with half a head: the oldest goes, a quick one is answered."""
    address = serve(connections=100)
    slow = [socket.create_connection(address, 60) for _ in range(1000)]
    try:
        for client in slow:
            with suppress(ConnectionError):
                client.sendall(PART)
        began = time.monotonic()
        for _ in range(10):
            assert answer_to(address, GET)[0] == 200
        assert time.monotonic() - began < HELD_UP_SECONDS
        assert is_closed(slow[0], HELD_UP_SECONDS)
        slow[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            slow[-1].recv(1)  # there was room for the newest
    finally:
        for client in slow:
            client.close()


HELD_UP_SECONDS = 18
"""Less than a slow client may take (Patience.head_seconds)."""


def test_a_port_that_is_taken_is_one_sentence() -> None:
    """It names both options."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSpecError, match=rf"--host 127.0.0.1 --port {port}: cannot listen there: Addr"):
            listen("127.0.0.1", port)
        assert address_of(taken) == f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "192.0.2.1"])
def test_a_host_that_is_not_ours_is_one_sentence(host: str) -> None:
    """Unknown, impossible, or another machine's."""
    with pytest.raises(BadSpecError, match=r"cannot listen there: [^\n]+$"):
        listen(host, 0)


@contextmanager
def program(options: str) -> "Iterator[tuple[subprocess.Popen[str], tuple[str, int]]]":
    """Run the tests' app as a program of its own."""
    command = [sys.executable, "-m", "tests.web.app", options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = urlsplit(server.stdout.readline())
            yield server, (address.hostname, address.port)
        finally:
            server.kill()


def test_a_server_that_is_stopped_loses_no_request() -> None:
    """Clients without a pause, each on a connection that it keeps, over new ones, and one with a slow body.

    A connection that is refused began no request; one that ends after its request was sent lost it.
    """
    lost: list[str] = []
    answered: list[int] = []

    def ask(address: tuple[str, int], keep: bool) -> None:
        client: socket.socket | None = None
        while True:
            if client is None:
                try:
                    client = socket.create_connection(address, 60)
                except ConnectionRefusedError:
                    return
            try:
                client.sendall(GET)
                _, headers, _ = read_answer(client)
                answered.append(1)
            except (OSError, EOFError) as error:
                lost.append(repr(error))
                return
            if not keep or headers.get("connection") == "close":
                client.close()
                client = None

    with program('{"linger_seconds": 0.5, "drain_seconds": 120}') as (server, address):
        with socket.create_connection(address, 60) as slow, socket.create_connection(address, 60) as half:
            slow.sendall(b"POST /?seconds=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nab")
            half.sendall(PART)
            answer_to(address, GET)  # what was sent before has been read
            answer_to(address, GET)
            threads = [threading.Thread(target=ask, args=(address, keep)) for keep in (True, False) * 3]
            for thread in threads:
                thread.start()
            wait_until(lambda: len(answered) > 20, 60, "the callers are answered")
            server.send_signal(signal.SIGTERM)
            for thread in threads:
                thread.join(60)
            slow.sendall(b"cd")
            half.sendall(b"ere\r\n\r\n")
            assert read_answer(slow)[2] == b"4\n"
            assert read_answer(half)[0] == 200
        assert server.wait(60) == 0
    assert not lost


def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    """Nor does a request that takes longer than the server waits."""
    with program('{"drain_seconds": 1}') as (server, address):
        with socket.create_connection(address, 60) as idle, socket.create_connection(address, 60) as long:
            idle.sendall(GET)
            read_answer(idle)
            long.sendall(b"GET /?seconds=600 HTTP/1.1\r\nHost: here\r\n\r\n")
            time.sleep(0.2)
            server.send_signal(signal.SIGINT)
            assert is_closed(idle)
        assert server.wait(60) == 0
