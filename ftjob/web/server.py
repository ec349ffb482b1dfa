"""Runs an ASGI app until SIGTERM or Ctrl-C, and finishes the requests under way."""

import socket
from dataclasses import dataclass

from ftjob.errors import BadSpecError


@dataclass(frozen=True)
class ServerOptions:
    """How an app is run."""

    connections: int = 1024
    """At a time; one more is answered with 503."""
    drain_seconds: int = 30
    """For the requests under way when the server is asked to stop."""
    idle_seconds: int = 5
    """That a connection is kept between two requests."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there; port 0 takes a free one. Raises BadSpecError, naming the option."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise BadSpecError(f"--host {host} --port {port}: cannot listen there: {error.strerror}") from None


def address_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run(app: object, listening: socket.socket, options: ServerOptions | None = None) -> None:
    """Serve `app` (ASGI) on that socket until SIGTERM or Ctrl-C."""
    import uvicorn

    chosen = options or ServerOptions()
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]  # an ASGI app is any callable of three arguments
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        limit_concurrency=chosen.connections,
        timeout_keep_alive=chosen.idle_seconds,
        timeout_graceful_shutdown=chosen.drain_seconds,
    )
    uvicorn.Server(config).run(sockets=[listening])
