"""An API server with only FineTuneJobs of two namespaces, which it changes at a given rate."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ftjob.cluster.resource.names import PLURAL
from tests.cluster.unit.builders import begun, life, spec

SENT = "bench/sent"
"""The annotation with the time at which a change was written, by the monotonic clock of all processes."""
MANY, FEW = "many", "few"
TICK = 0.01


def fine_tune(namespace: str, name: str, version: int, **status: Any) -> dict[str, Any]:
    """A FineTuneJob, written now."""
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": name,
        "resourceVersion": str(version),
        "annotations": {SENT: str(time.monotonic())},
        "managedFields": [
            {"manager": "kubectl", "fieldsV1": {f"f:field-{number}": {} for number in range(60)}}
        ],
    }
    return {"metadata": metadata, "spec": spec(), "status": status}


def large(number: int, version: int) -> dict[str, Any]:
    """One of the namespace that has many: a run under way."""
    return fine_tune(MANY, f"run-{number}", version, **begun(state="Running", attempts=[life(1)]))


def events(objects: int, changes: float, runs: int, pause: float) -> Iterator[dict[str, Any]]:
    """Yield what happens, when it does."""
    versions = count(objects + 1)
    begin, changed, submitted = time.monotonic(), 0, 0
    while True:
        passed = time.monotonic() - begin
        if submitted < min(runs, passed / pause - 1):
            yield {"type": "ADDED", "object": fine_tune(FEW, f"new-{submitted}", next(versions))}
            submitted += 1
        elif changed < passed * changes:
            yield {"type": "MODIFIED", "object": large(changed % objects, next(versions))}
            changed += 1
        else:
            time.sleep(TICK)


def serve(port: Connection, objects: int, changes: float, runs: int, pause: float) -> None:
    """Serve until the process ends; report the port. `pause` separates two submitted runs."""

    class Handler(BaseHTTPRequestHandler):
        """Lists and watches."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(where.query).items()}
            ours = where.path.endswith(PLURAL)
            if "watch" not in query:
                self._list(query, objects if ours else 0)
                return
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for event in events(objects, changes, runs, pause) if ours else ():
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            time.sleep(3600)

        def _list(self, query: dict[str, str], there: int) -> None:
            begin, limit = int(query.get("continue", 0)), int(query["limit"])
            items = [large(number, number + 1) for number in range(begin, min(there, begin + limit))]
            more = {"continue": str(begin + limit)} if begin + limit < there else {}
            body = json.dumps(
                {"items": items, "metadata": {"resourceVersion": str(objects), **more}}
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 the name http.server has
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port.send(server.server_address[1])
    server.serve_forever()
