"""An app to serve in tests: `python -m tests.web.app OPTIONS` prints its address, serves until SIGTERM."""

import asyncio
import json
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ftjob.web.connection import Patience
from ftjob.web.guard import Guard
from ftjob.web.server import ServerOptions, address_of, listen, run

BODY_BYTES = 1_000_000


async def echo(request: Request) -> PlainTextResponse:
    """Answer with the number of bytes of the body, after `?seconds=`."""
    body = await request.body()
    await asyncio.sleep(float(request.query_params.get("seconds", 0)))
    return PlainTextResponse(f"{len(body)}\n")


async def flood(_: Request) -> StreamingResponse:
    """Answer without end."""

    async def pieces():
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0)

    return StreamingResponse(pieces())


def guarded(hosts: tuple[str, ...] = ()) -> Guard:
    """Return the app behind a Guard."""
    routes = [Route("/", echo, methods=["GET", "POST"]), Route("/flood", flood)]
    return Guard(Starlette(routes=routes), BODY_BYTES, hosts)


if __name__ == "__main__":
    listening = listen("127.0.0.1", 0)
    sys.stdout.write(address_of(listening) + "\n")
    sys.stdout.flush()
    unhurried = Patience(head_seconds=300, body_seconds=300)  # on a busy machine
    run(guarded(), listening, ServerOptions(patience=unhurried, **json.loads(sys.argv[1])))
