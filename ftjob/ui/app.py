"""The ASGI app of the pages: routes from every page's module, errors as sentences, and who may ask."""

from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ftjob.errors import ExitCode, FtjobError
from ftjob.ui import assets
from ftjob.ui.access import TokenLink
from ftjob.ui.pages import all_runs, comparing, one_run, run_files, run_verbs
from ftjob.ui.rendering import problem_page
from ftjob.ui.run_list import RunList
from ftjob.ui.settings import UiSettings
from ftjob.ui.watched import WatchedRuns
from ftjob.web.guard import Guard

PAGES = (all_runs, one_run, run_files, run_verbs, comparing)
"""The modules whose ROUTES are served."""
STATUS = {
    ExitCode.BAD_SPEC: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.BAD_NET: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.BAD_DATA: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.NOT_ACCEPTED: HTTPStatus.CONFLICT,
    ExitCode.STORAGE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The HTTP status of an error of ftjob's; of others 500."""


def create_app(settings: UiSettings) -> ASGIApp:
    """Return the app that serves the pages."""
    app = Starlette(
        routes=[*assets.ROUTES, *(route for module in PAGES for route in module.ROUTES)],
        middleware=[Middleware(TokenLink)],
        exception_handlers={
            FtjobError: _ftjob_error,
            HTTPException: _http_error,
            500: _unforeseen,
        },
    )
    app.state.settings = settings
    app.state.runs = RunList(settings)
    app.state.watched = WatchedRuns(settings.refresh_seconds)
    app.state.streams = 0
    return Guard(app, settings.body_bytes, settings.hosts)


def _ftjob_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FtjobError)
    return problem_page(request, STATUS.get(error.exit_code, HTTPStatus.INTERNAL_SERVER_ERROR), str(error))


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: f"{request.url.path}: there is no such page", 405: "this address takes other requests"}
    generic = error.detail == HTTPStatus(error.status_code).phrase
    detail = words.get(error.status_code, error.detail) if generic else error.detail
    return problem_page(request, error.status_code, detail)


def _unforeseen(request: Request, error: Exception) -> Response:
    return problem_page(
        request, 500, f"an unexpected {type(error).__name__}: the terminal of `ftjob ui` has more"
    )
