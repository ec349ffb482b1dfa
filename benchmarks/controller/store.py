"""A store that answers as S3 does, from memory: so that what is measured is not a store's disk."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MISSING = b"<Error><Code>NoSuchKey</Code><Message>there is none</Message></Error>"


class MemoryStore:
    """Objects by their path; reading needs no credentials."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, name="store", daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        objects = self.objects

        class Handler(BaseHTTPRequestHandler):
            """Answers GET and PUT of one object."""

            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                found = objects.get(self.path.partition("?")[0])
                self._answer(200, found) if found is not None else self._answer(404, MISSING)

            def do_PUT(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                objects[self.path.partition("?")[0]] = self.rfile.read(size)
                self._answer(200, b"")

            def _answer(self, code: int, body: bytes) -> None:
                self.send_response(code)
                self.send_header("ETag", '"0"')
                self.send_header("Last-Modified", "Sun, 22 Nov 2026 00:00:00 GMT")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:  # noqa: A002 the name http.server has
                """Log nothing."""

        return Handler
