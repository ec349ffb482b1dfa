"""Who may write: a browser that was opened once with the token that the terminal prints."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import iscoroutinefunction
from urllib.parse import parse_qsl, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ftjob.ui.rendering import problem_page
from ftjob.ui.settings import UiSettings

TOKEN = "token"
"""The query's field that has it."""
READ_ONLY = "these pages are read-only: open the address with ?token=… that `ftjob ui` printed"
NO_WRITING = "these pages are read-only: start `ftjob ui` without --read-only to write"
WRONG = "the token is not this server's: open the address that `ftjob ui` printed when it was last started"

Endpoint = Callable[[Request], Response] | Callable[[Request], Awaitable[Response]]


def settings_of(request: HTTPConnection) -> UiSettings:
    """Return how the app that answers a request is served."""
    found = request.app.state.settings
    assert isinstance(found, UiSettings)
    return found


def may_write(request: HTTPConnection) -> bool:
    """Return whether a request comes from a browser that was given the token."""
    token = settings_of(request).token
    return bool(token) and _is_same(request.cookies.get(_cookie(token), ""), token)


def writes(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that refuses, with 403, whoever may not write.

    That a page of this server made the request is for ftjob.web.guard to check.
    """

    def check(request: Request) -> None:
        if not may_write(request):
            raise HTTPException(403, READ_ONLY if settings_of(request).token else NO_WRITING)

    @wraps(endpoint)
    async def awaited(request: Request) -> Response:
        check(request)
        answer = endpoint(request)
        return answer if isinstance(answer, Response) else await answer

    @wraps(endpoint)
    def checked(request: Request) -> Response:
        check(request)
        answer = endpoint(request)
        assert isinstance(answer, Response)
        return answer

    return awaited if iscoroutinefunction(endpoint) else checked


class TokenLink:
    """An ASGI app before another: a page that is opened with the token gets it as a cookie, and its clean
    address. The address with the token stays in no history, no bookmark and no Referer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has a token, or have the app answer it."""
        if scope["type"] != "http" or f"{TOKEN}=".encode() not in scope["query_string"]:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        await _admitted(request)(scope, receive, send)


def _admitted(request: Request) -> Response:
    query = parse_qsl(request.url.query)
    given, token = dict(query).get(TOKEN, ""), settings_of(request).token
    if not token or not _is_same(given, token):
        return problem_page(request, 403, WRONG if token else NO_WRITING)
    rest = urlencode([each for each in query if each[0] != TOKEN])
    # A path that begins with two slashes would be another host's address.
    path = "/" + request.url.path.lstrip("/")
    answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
    answer.set_cookie(_cookie(token), token, httponly=True, samesite="strict")
    return answer


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _cookie(token: str) -> str:
    """Return the cookie's name: browsers send the cookies of one port to all others of a host."""
    return f"ftjob-{hashlib.sha256(token.encode()).hexdigest()[:12]}"
