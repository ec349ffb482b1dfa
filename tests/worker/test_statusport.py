"""`GET /status` of a worker, and clients who mean no good."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from ftjob.worker.pod import statusport
from ftjob.worker.pod.statusport import THREADS, StatusServer

DOCUMENT = b'{"attempt": 1}'


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatusServer]:
    monkeypatch.setattr(statusport, "SECONDS", 60.0)
    made = StatusServer(lambda: DOCUMENT, 0)
    yield made
    made.close()


def ask(server: StatusServer, path: str = "/status", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read()


def send(server: StatusServer, data: bytes) -> bytes:
    """Send bytes and return the answer as far as it comes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client, suppress(OSError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65536):
            answer += piece
    return answer


def test_the_document_is_all_that_is_answered(server: StatusServer) -> None:
    """By one method, at one path."""
    assert ask(server) == (200, DOCUMENT)
    assert ask(server, "/status?at=once") == (200, DOCUMENT)
    for path in ("/", "/metrics", "/status/../etc/passwd", "/status%00"):
        assert ask(server, path) == (404, b"")
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(server, method=method) == (405, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /status\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"\r\n\r\n", b"400"),
        (b"GET /status HTTP/1.1\r\nX: " + b"a" * 2**20 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"a" * 2**20 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"a" * 2**20, b"431"),
        (b"GET /status HTTP/1.1\r\n", b""),
        (b"", b""),
    ],
)
def test_garbage_is_refused_and_the_next_client_answered(
    server: StatusServer, request_: bytes, status: bytes
) -> None:
    """A client who sends too much may see its connection reset instead of the answer."""
    answer = send(server, request_)

    assert answer[9:12] in (status, b"") if len(request_) > 2**20 - 1 else answer[9:12] == status
    assert ask(server) == (200, DOCUMENT)


def test_slow_clients_are_dropped_at_their_deadline(
    server: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are threads, each sending a byte now and then: who comes after them is answered."""
    taken = threading.Semaphore(0)
    respond = StatusServer._respond

    def counted(self: StatusServer, client: socket.socket) -> None:
        taken.release()
        respond(self, client)

    monkeypatch.setattr(StatusServer, "_respond", counted)
    monkeypatch.setattr(statusport, "SECONDS", 1.0)
    with ExitStack() as stack:
        connect = socket.create_connection
        slow = [stack.enter_context(connect(("127.0.0.1", server.port))) for _ in range(THREADS)]
        for _ in slow:
            assert taken.acquire(timeout=60)
        monkeypatch.setattr(statusport, "SECONDS", 60.0)  # for who comes after them
        ended = threading.Event()

        def drip() -> None:
            while not ended.wait(0.1):
                for client in slow:
                    with suppress(OSError):
                        client.send(b"G")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert ask(server) == (200, DOCUMENT)
        finally:
            ended.set()
            thread.join()


def test_a_flood_makes_no_threads(server: StatusServer) -> None:
    """Five hundred connections are held by the few threads there are, and by the kernel's queue."""
    before = set(threading.enumerate())  # among them those of servers that are closing
    clients = []
    for _ in range(500):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", server.port))
        clients.append(client)
    time.sleep(0.2)
    after = set(threading.enumerate())
    for client in clients:
        client.close()

    assert after <= before
    assert ask(server) == (200, DOCUMENT)


def test_a_last_document_is_served_until_somebody_has_read_it(server: StatusServer) -> None:
    """Who asked for another path has not."""
    waiting = threading.Thread(target=server.wait_until_read, args=(60.0,))
    waiting.start()
    assert ask(server, "/") == (404, b"")
    waiting.join(0.2)
    assert waiting.is_alive()

    while waiting.is_alive():
        assert ask(server) == (200, DOCUMENT)
        waiting.join(0.1)


def test_a_last_document_that_nobody_reads_is_not_served_for_ever(server: StatusServer) -> None:
    """Whoever read it before does not count."""
    assert ask(server) == (200, DOCUMENT)
    server.wait_until_read(0.1)

    assert ask(server) == (200, DOCUMENT)


def test_a_closed_server_answers_nobody_and_leaves_its_port(server: StatusServer) -> None:
    """A later worker in the same network may have it."""
    port = server.port
    server.close()

    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).recv(1)
    StatusServer(lambda: DOCUMENT, port).close()
