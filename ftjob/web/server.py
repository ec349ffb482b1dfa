"""Runs an ASGI app until SIGTERM or Ctrl-C, and finishes the requests under way."""

import os
import resource
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftjob.errors import BadSpecError

if TYPE_CHECKING:
    from ftjob.web.connection import Patience

OTHER_FILES = 64
"""Descriptors that are left for files and engines."""


@dataclass(frozen=True)
class ServerOptions:
    """How an app is run."""

    connections: int = 1024
    """At a time; one more closes the one that has waited longest for a request."""
    linger_seconds: float = 0.0
    """After the server was asked to stop, before it stops listening: for those who do not know yet."""
    drain_seconds: int = 30
    """For the requests under way when it stops listening."""
    idle_seconds: int = 5
    """That a connection is kept between two requests."""
    patience: "Patience | None" = None
    """How long a client may take; None: as usual."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raises BadSpecError, naming the option."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else "there is no such address"
        raise BadSpecError(f"--host {host} --port {port}: cannot listen there: {reason}") from None


def address_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(
    app: object,
    listening: socket.socket,
    options: ServerOptions | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Serve `app` (ASGI) on that socket until SIGTERM, Ctrl-C, or until `stop` is set.

    A signal sets `stop` at once, so that an app can report that it is about to go. No request whose first
    byte was received is lost: the server answers for `linger_seconds` as before, each time for the last
    time on that connection, then accepts those who have connected already, stops listening and finishes.
    """
    from uvicorn import Config

    from ftjob.web.connection import Connections, Patience
    from ftjob.web.draining import DrainingServer

    chosen = options or ServerOptions()
    shared = Connections(_most(chosen.connections), chosen.patience or Patience())
    config = Config(
        app,  # type: ignore[arg-type]  # an ASGI app is any callable of three arguments
        log_config=None,
        log_level="error",  # a request that is none is not worth a line
        access_log=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=chosen.idle_seconds,
        timeout_graceful_shutdown=chosen.drain_seconds,
    )
    DrainingServer(config, shared, chosen.linger_seconds, stop or threading.Event()).run([listening])


def _most(connections: int) -> int:
    """Return how many connections there may be: no more than there are descriptors."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return connections if files == resource.RLIM_INFINITY else max(1, min(connections, files - OTHER_FILES))
