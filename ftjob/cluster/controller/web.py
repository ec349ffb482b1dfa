"""/metrics, /healthz and /readyz on one port."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ftjob.cluster.controller.metrics import REGISTRY

Check = Callable[[], str]
"""Returns what is wrong, or nothing."""


def serve(address: str, port: int, healthy: Check, ready: Check, refresh: Callable[[], None]) -> int:
    """Serve in the background; `refresh` is called before metrics are told. Return the port."""

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
            """Say nothing: probes come every few seconds."""

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="web", daemon=True).start()
    return int(server.server_address[1])
