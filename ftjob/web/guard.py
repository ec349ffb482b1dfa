"""Stands before every page: who may ask, how much they may send, what a browser may do with the answer."""

from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Those that change nothing (RFC 9110, section 9.2.1)."""
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The Content-Security-Policy: nothing from elsewhere, no script but those in files of our own."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send our own forms with `Origin: null`
    "X-Content-Type-Options": "nosniff",
}


def in_plain_text(status: int, sentence: str) -> ASGIApp:
    """Return an answer of one line."""
    return PlainTextResponse(sentence + "\n", status)


class Guard:
    """An ASGI app before another: refuses hosts it does not answer for, requests that another site makes, and
    bodies that are too large; gives every answer the headers above.

    A page of any site can ask a server on this machine for something by a name that it lets point here (DNS
    rebinding) or by a form, so `hosts` has the names we answer to; empty, any name will do, for a server
    that asks for a token. A method that changes something must come from a page of this server, where a
    browser says from where it comes.

    `refusal` turns a status and a sentence into the answer to what is refused.
    """

    def __init__(
        self,
        app: ASGIApp,
        body_bytes: int,
        hosts: Iterable[str] = (),
        refusal: Callable[[int, str], ASGIApp] = in_plain_text,
    ) -> None:
        self._app = app
        self._refusal = refusal
        self._body_bytes = body_bytes
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have the app answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refused(scope["method"], Headers(scope=scope))
        answer = self._refusal(*refused) if refused else self._limited
        await answer(scope, receive, with_headers)

    def _refused(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return the status and the sentence of a request that is refused by its head alone."""
        host = headers.get("host", "").lower()
        if self._hosts and _name(host) not in self._hosts:
            return 421, f"this server does not answer for {host!r}: use {' or '.join(sorted(self._hosts))}"
        origin = headers.get("origin", f"://{host}").lower()
        site = headers.get("sec-fetch-site", "same-origin")
        foreign = site not in ("same-origin", "none") or origin.partition("://")[2] != host
        if foreign and method not in SAFE_METHODS:
            return 403, "a page of another site asked for this: open this server's own page"
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._body_bytes:
            return 413, _too_large(self._body_bytes)
        return None

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the app answer, and stop it where a body without a length grows too large."""
        received, begun = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._body_bytes:
                raise BodyTooLargeError(413, _too_large(self._body_bytes))
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except BodyTooLargeError as error:
            if begun:
                raise
            await self._refusal(error.status_code, error.detail)(scope, receive, send)


class BodyTooLargeError(HTTPException):
    """A body of more bytes than the server takes, as Starlette's own errors are: an app may word it."""


def _too_large(limit: int) -> str:
    return f"the request has more than {limit:,} bytes, the most that this server takes"


def _name(host: str) -> str:
    """Return a Host header's name, without its port: `[::1]:8000` is `[::1]`."""
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
