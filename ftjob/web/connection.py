"""HTTP connections on which nothing may take for ever: heads, bodies and answers have deadlines."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


@dataclass(frozen=True)
class Patience:
    """How long a client may take."""

    head_seconds: float = 20.0
    """From the connection, or the answer before, to the end of a request's head."""
    body_seconds: float = 20.0
    """For a body, and for each further part of one that arrives fast enough."""
    bytes_per_second: int = 20_000
    """The slowest that a large body may arrive."""
    answer_seconds: float = 30.0
    """Without reading, while there is more to send than the kernel keeps."""
    late_seconds: float = 1.0
    """For the head of a request that is on its way when the server stops."""


@dataclass
class Connections:
    """What the connections of one server share."""

    most: int
    """Connections at a time; one more closes the one that has waited longest for a request."""
    patience: Patience
    waiting: "dict[TimedConnection, None]" = field(default_factory=dict)
    """Those whose request is not there as a whole, in the order in which they began to wait."""
    stopping: bool = False
    """Whether every answer is the last of its connection."""

    def make_room(self, count: int) -> None:
        """Close the connection that has waited longest where `count` are too many."""
        if count > self.most and self.waiting:
            next(iter(self.waiting)).abort()


class TimedConnection(H11Protocol):
    """A connection of uvicorn's that gives its client deadlines, and ends where one is missed.

    uvicorn itself limits only how long a connection is idle between two requests: a client that sends a byte
    a minute would keep it open for ever.
    """

    def __init__(self, shared: Connections, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._shared = shared
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._has_body = False
        self._received = 0
        """Bytes of the body since its deadline was set."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a head."""
        super().connection_made(transport)
        self._await_head()
        self._shared.make_room(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """Take what arrived; the deadline is another once a head or a body is whole."""
        self._received += len(data)
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of a body that nobody reads."""
        super().on_response_complete()
        self._watch(answered=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._forget()
        self.resume_writing()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish the request under way, and one whose head is on its way."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self.conn.trailing_data[0]:
            self._set_deadline(self._shared.patience.late_seconds)

    def abort(self) -> None:
        """End the connection, with whatever is under way on it."""
        self._forget()
        self.transport.abort()

    def pause_writing(self) -> None:
        """Give the client time to read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._shared.patience.answer_seconds, self.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        super().resume_writing()
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def _watch(self, *, answered: bool = False) -> None:
        """Set the deadline for what is awaited now."""
        if self.transport.is_closing():  # once the client has read what was sent
            self._has_body = False
            self._set_deadline(self._shared.patience.answer_seconds)
        elif self.conn.their_state is h11.SEND_BODY:
            if not self._has_body:
                self._has_body, self._received = True, 0
                self._set_deadline(self._shared.patience.body_seconds)
        elif self.conn.their_state is h11.IDLE:
            if answered or self._has_body:
                self._await_head()
        else:
            self._forget()

    def _await_head(self) -> None:
        self._has_body = False
        patience = self._shared.patience
        self._set_deadline(patience.late_seconds if self._shared.stopping else patience.head_seconds)

    def _set_deadline(self, seconds: float) -> None:
        self._forget()
        self._shared.waiting[self] = None
        self._deadline = self.loop.call_later(seconds, self._miss)

    def _miss(self) -> None:
        """End the connection, unless its body arrives fast enough or waits for us."""
        if not self._has_body:
            self.abort()
            return
        patience = self._shared.patience
        if self.flow.read_paused or self._received >= patience.bytes_per_second * patience.body_seconds:
            self._received = 0
            self._deadline = self.loop.call_later(patience.body_seconds, self._miss)
        else:
            self.abort()

    def _forget(self) -> None:
        self._shared.waiting.pop(self, None)
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None
