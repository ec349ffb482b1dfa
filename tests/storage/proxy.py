"""A proxy that spoils requests: some are answered with an error, some connections are cut."""

import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Fate = int | bytes | Literal["refuse", "cut", "lose", "flip", "shorten", "pass"]
"""What becomes of a request.

`refuse`: answered 503 and not passed on. `cut`: after some of its bytes, up or down. `lose`: its answer does
not come. `flip`: a bit of its answer's body changes. `shorten`: its answer lacks an end and does not show it.
A number: answered with that status and not passed on. Bytes: a header that its answer gets.
"""
ERROR = (
    "HTTP/1.1 {status} Spoilt\r\nContent-Length: {length}\r\nContent-Type: application/xml\r\n"
    "Connection: close\r\n\r\n{body}"
)
BODY = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>spoilt</Message></Error>"


@dataclass
class Proxy:
    """Passes requests on, each over a connection of its own, as `fate` says of its head."""

    upstream: str
    fate: Callable[[str], Fate]
    random: random.Random
    spoilt: list[tuple[str, Fate]] = field(default_factory=list)
    """First lines and fates of the requests that were not passed on whole."""
    code: str = "SlowDown"
    """S3's word in the body of an error."""

    def serve(self, listener: socket.socket) -> None:
        """Answer until the listener is closed."""
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client: socket.socket) -> None:
        """Treat one request."""
        with closing(client):
            try:
                self.treat(client)
            except OSError:
                return  # one of the two went away, as the proxy itself does

    def treat(self, client: socket.socket) -> None:
        """Read a request and give it its fate."""
        head, rest = read_head(client)
        first = head.partition(b"\r\n")[0].decode()
        if not first:
            return
        length = int((re.search(rb"(?i)content-length: *(\d+)", head) or [0, 0])[1])
        fate = self.fate(head.decode())
        if fate != "pass":
            self.spoilt.append((first, fate))
        if not isinstance(fate, int) and fate != "refuse":
            self.relay(client, head, rest, length, fate)
            return
        skip(client, length - len(rest))
        body = BODY.format(code=self.code)
        status = 503 if fate == "refuse" else fate
        client.sendall(ERROR.format(status=status, length=len(body), body=body).encode())

    def relay(self, client: socket.socket, head: bytes, rest: bytes, length: int, fate: Fate) -> None:
        """Pass a request and its answer on; to be cut, end one of the two after a random number of bytes."""
        where = urlsplit(self.upstream)
        with closing(socket.create_connection((where.hostname, where.port), timeout=60)) as server:
            cut_up = fate == "cut" and length > 0 and self.random.random() < 0.5
            server.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            limit = self.random.randrange(length) if cut_up else length
            server.sendall(rest[:limit])
            pump(client, server, limit - len(rest))
            if fate == "lose":
                server.recv(1)
            elif isinstance(fate, bytes) or fate in ("flip", "shorten"):
                self.rewrite(server, client, fate)
            elif not cut_up:
                pump(server, client, self.random.randrange(2000) if fate == "cut" else None)

    def rewrite(self, server: socket.socket, client: socket.socket, fate: Fate) -> None:
        """Pass an answer on with another header or body."""
        head, body = read_head(server)
        while more := server.recv(65536):
            body += more
        if isinstance(fate, bytes):
            head = head.replace(b"\r\n\r\n", b"\r\n" + fate + b"\r\n\r\n")
        elif fate == "flip":
            at = self.random.randrange(len(body))
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        else:
            body = body[: self.random.randrange(len(body))]
            head = re.sub(rb"(?i)(content-length:) *\d+", rb"\1 %d" % len(body), head)
        client.sendall(head + body)


def read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """Read up to the empty line; return that and what came with it."""
    text = b""
    while b"\r\n\r\n" not in text:
        if not (more := client.recv(65536)):
            return b"", b""
        text += more
    head, _, rest = text.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def pump(source: socket.socket, target: socket.socket, count: int | None) -> None:
    """Pass on so many bytes, or all there are."""
    while count is None or count > 0:
        data = source.recv(65536 if count is None else min(65536, count))
        if not data:
            return
        target.sendall(data)
        count = None if count is None else count - len(data)


def skip(client: socket.socket, count: int) -> None:
    """Read so many bytes and forget them."""
    while count > 0 and (data := client.recv(min(65536, count))):
        count -= len(data)


@contextmanager
def proxied(upstream: str, fate: Callable[[str], Fate], seed: int = 1) -> Iterator[tuple[str, Proxy]]:
    """Put a proxy before a server; give its endpoint and itself."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    proxy = Proxy(upstream, fate, random.Random(seed))
    thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
