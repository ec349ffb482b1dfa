"""/metrics, /healthz and /readyz on one port."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ftjob.cluster.controller.serving.prometheus import ERRORS, REGISTRY

Check = Callable[[], str]
"""Returns what is wrong, or nothing."""
MOST = 32
"""Connections at a time, each of which has a thread."""


class MetricsServer(ThreadingHTTPServer):
    """Serves MOST connections at a time; one more closes the oldest, so that a slow client blocks nobody."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[socket.socket, None] = {}
        """In the order of arrival."""
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own."""
        with self._lock:
            while len(self._open) >= MOST:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # its thread reads the end
            self._open[request] = None
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that was served."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        """Count the error; a client that went away is not worth a log entry."""
        ERRORS.labels("web").inc()


def serve(address: str, port: int, healthy: Check, ready: Check, refresh: Callable[[], None]) -> int:
    """Serve in the background; `refresh` runs before metrics are rendered. Return the port."""

    class Handler(BaseHTTPRequestHandler):
        """Answers GET."""

        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                refresh()
                self._answer(200, generate_latest(REGISTRY), CONTENT_TYPE_LATEST)
                return
            checks = {"/healthz": healthy, "/readyz": ready}
            wrong = checks[self.path]() if self.path in checks else "no such page"
            code = 404 if self.path not in checks else 503 if wrong else 200
            self._answer(code, (wrong or "ok").encode() + b"\n", "text/plain")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 the name http.server has
            """Log nothing: probes come every few seconds."""

    server = MetricsServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, name="web", daemon=True).start()
    return int(server.server_address[1])
