"""Lets in whoever has a bearer token that somebody else, such as an API server, vouches for."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ftjob.errors import FtjobError

COOKIE = "ftjob-bearer"
"""Where a browser keeps the token, which it cannot send in a header of its own."""
LOGIN = "/login"
ALIVE = "/healthz"
"""Answers without a token: for probes."""
LARGEST_TOKEN = 16_384
"""Characters; a service account's has about 1,000."""
ALLOWED_SECONDS = 30.0
"""That an answer holds: how long somebody whose right was taken may go on."""
REFUSED_SECONDS = 5.0
MOST_KNOWN = 1024
"""Answers that are kept."""
MOST_ASKED = 8
"""Questions under way at a time."""
MISSING = "give a bearer token: Authorization: Bearer …, or on this page"
FORM = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>ftjob</title>
<main><h1>ftjob</h1><p role="alert">{sentence}</p>
<form method="post" action="/login"><label>Bearer token <input name="token" type="password" autocomplete="off"
required></label> <button>Open</button></form></main></html>
"""


@dataclass(frozen=True)
class Access:
    """Whether a token's owner is let in."""

    status: int
    """200, or 401 for a token that is none, or 403 for one without the right."""
    sentence: str = ""


@dataclass(frozen=True)
class _Known:
    access: Access
    until: float


class Bearer:
    """An ASGI app before another: asks about every token, and keeps the answers for seconds."""

    def __init__(self, app: ASGIApp, review: Callable[[str], Access]) -> None:
        """`review` may block, and raises FtjobError where nobody answers."""
        self._app, self._review = app, review
        self._known: dict[str, _Known] = {}
        """By the token's digest, the oldest first."""
        self._asking = asyncio.Semaphore(MOST_ASKED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through to the app, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == ALIVE:
            await PlainTextResponse("ok\n")(scope, receive, send)
            return
        request = Request(scope, receive)
        answer: Response | None
        if scope["path"] == LOGIN and scope["method"] == "POST":
            answer = await self._login(request)
        else:
            access = await self._access(_token(request.headers))
            answer = None if access.status == 200 else _refusal(request, access)
        await (answer or self._app)(scope, receive, send)

    async def _login(self, request: Request) -> Response:
        """Give a browser its token as a cookie."""
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=4)
        token = fields.get("token", [""])[0].strip()
        access = await self._access(token)
        if access.status != 200:
            return _refusal(request, access)
        answer = RedirectResponse("/", 303)
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)
        return answer

    async def _access(self, token: str) -> Access:
        if not token:
            return Access(401, MISSING)
        if len(token) > LARGEST_TOKEN or not token.isascii() or not token.isprintable():
            return Access(401, "the bearer token is none that an API server makes: copy it again")
        key = hashlib.sha256(token.encode()).hexdigest()
        known = self._known.get(key)
        if known and time.monotonic() < known.until:
            return known.access
        async with self._asking:
            try:
                access = await run_in_threadpool(self._review, token)
            except FtjobError as error:
                return Access(503, str(error))
        self._known.pop(key, None)
        seconds = ALLOWED_SECONDS if access.status == 200 else REFUSED_SECONDS
        self._known[key] = _Known(access, time.monotonic() + seconds)
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]
        return access


def _token(headers: Headers) -> str:
    """Return the token of a request; the header goes before the cookie."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE, "")


def _refusal(request: Request, access: Access) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="ftjob"'} if access.status == 401 else None
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(FORM.format(sentence=escape(access.sentence)), access.status, headers)
    return PlainTextResponse(access.sentence + "\n", access.status, headers)
