"""Serves `GET /status` while a worker lives: one small document, at no cost to the training.

Few threads, bounded requests, and a deadline for each: a slow client delays other clients at most, never the
training.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from ftjob.runfolder.progress import PATH

THREADS = 4
SECONDS = 5.0
"""For a whole request and its answer."""
LARGEST = 8192
"""Bytes of a request: its line and headers."""
END = b"\r\n\r\n"
OK = b"HTTP/1.1 200 "


class StatusServer:
    """Answers on all interfaces until it is closed; the process does not wait for its threads."""

    def __init__(self, answer: Callable[[], bytes], port: int) -> None:
        """`answer` gives the document's JSON, from any thread. Raises OSError for a port that is taken."""
        self._answer = answer
        self._closed = threading.Event()
        self._read = threading.Event()
        self._socket = _listening(port)
        for number in range(THREADS):
            threading.Thread(target=self._serve, name=f"status-{number}", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def wait_until_read(self, seconds: float) -> None:
        """Return once a client was sent the document as it is from now on, or after so many seconds."""
        self._read = threading.Event()
        self._read.wait(seconds)

    def close(self) -> None:
        """Take no more requests."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the threads that wait for a client
        self._socket.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._socket.accept()
            except OSError:  # closed, or no descriptor is free for the moment
                self._closed.wait(0.1)
                continue
            with client, suppress(OSError):
                self._respond(client)

    def _respond(self, client: socket.socket) -> None:
        """Read one request and answer it. Raises OSError where the client is gone, or too slow."""
        deadline = time.monotonic() + SECONDS
        request = b""
        while END not in request and len(request) <= LARGEST:
            client.settimeout(_left(deadline))
            piece = client.recv(LARGEST)
            if not piece:
                return
            request += piece
        client.settimeout(_left(deadline))
        read, response = self._read, self._response(request)
        client.sendall(response)
        if response.startswith(OK):
            read.set()

    def _response(self, request: bytes) -> bytes:
        line = request.partition(b"\r\n")[0].split(b" ")
        if END not in request[: LARGEST + len(END)]:
            return _rendered("431 Request Header Fields Too Large")
        if len(line) != 3 or not line[2].startswith(b"HTTP/1."):
            return _rendered("400 Bad Request")
        if line[1].partition(b"?")[0] != PATH.encode():
            return _rendered("404 Not Found")
        if line[0] != b"GET":
            return _rendered("405 Method Not Allowed", "Allow: GET")
        return _rendered("200 OK", "Content-Type: application/json", body=self._answer())


def _left(deadline: float) -> float:
    """Return the seconds until a deadline. Raises TimeoutError when it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _rendered(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode() + body


def _listening(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        with suppress(OSError):  # where IPv6 is switched off
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))
