"""uvicorn's server, which loses no request when it is stopped."""

import asyncio
import signal
import socket
import threading
from functools import partial
from types import FrameType

from uvicorn import Config, Server
from uvicorn.protocols.http.flow_control import CLOSE_HEADER

from ftjob.web.backlog import accept_all, admit_no_more
from ftjob.web.connection import Connections, TimedConnection

HANDSHAKE_SECONDS = 0.2
"""What a connection that has begun gets to be made."""


class DrainingServer(Server):
    """A server that ends by itself on SIGTERM and Ctrl-C, or when `stop` is set."""

    def __init__(
        self, config: Config, shared: Connections, linger_seconds: float, stop: threading.Event
    ) -> None:
        config.http = partial(TimedConnection, shared)  # type: ignore[assignment]  # whatever makes a protocol
        super().__init__(config)
        self._shared, self._linger_seconds, self._stop = shared, linger_seconds, stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; a second Ctrl-C waits for nobody. uvicorn would send itself the signal again at its end."""
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        self.should_exit = True
        self._stop.set()

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop."""
        return await super().on_tick(counter) or self._stop.is_set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what has begun, and end."""
        self.should_exit = True
        self._stop.set()
        self._shared.stopping = True
        self.server_state.default_headers.append(CLOSE_HEADER)
        await self._linger()
        for listening in sockets or []:
            admit_no_more(listening)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        accepting = [
            asyncio.ensure_future(asyncio.get_running_loop().connect_accepted_socket(self._protocol, each))
            for listening in sockets or []
            for each in accept_all(listening)
        ]
        await super().shutdown(sockets)  # closes the sockets before it first waits
        await asyncio.gather(*accepting, return_exceptions=True)

    async def _linger(self) -> None:
        """Answer as before, until the time is over or a second Ctrl-C."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._linger_seconds
        while not self.force_exit and loop.time() < end:
            await asyncio.sleep(min(0.1, self._linger_seconds))

    def _protocol(self) -> TimedConnection:
        return TimedConnection(
            self._shared, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
