"""Serves a model until SIGTERM or Ctrl-C."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ftjob.serve.endpoints import Endpoints, refusal
from ftjob.serve.service import ServedModel, Service, ServiceOptions
from ftjob.web.guard import Guard
from ftjob.web.server import ServerOptions, address_of, listen, run

UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Listening:
    """Where a server is reached, and for how long after it was asked to stop."""

    host: str = "127.0.0.1"
    port: int = 8000
    linger_seconds: float = 1.0
    drain_seconds: int = 30
    service: ServiceOptions = field(default_factory=ServiceOptions)


def serve(
    served: ServedModel,
    where: Listening,
    on_start: Callable[[str], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve a model, and return once everything that began is answered.

    `on_start` receives the address; `stop` ends it as SIGTERM does. Raises BadSpecError where it cannot
    listen, EngineError where the net cannot be opened, or its engine dies again and again.
    """
    with listen(where.host, where.port) as listening:
        stop = stop or threading.Event()
        service = Service(served, where.service, stop)
        service.start()
        try:
            limit = where.service.limits.body_bytes
            app = Guard(Endpoints(service).app(), limit, refusal=refusal)
            on_start(address_of(listening))
            options = ServerOptions(linger_seconds=where.linger_seconds, drain_seconds=where.drain_seconds)
            run(app, listening, options, stop)
        finally:
            service.close()


def path_name(text: str, default: str) -> str:
    """Return a name as a part of a path, as the protocol's addresses have it."""
    return UNSAFE.sub("-", text).strip("-.")[:100] or default
