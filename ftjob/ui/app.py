"""The ASGI app of the pages: routes from every page's module, errors as sentences, and who may ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import chain

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from ftjob.errors import FtjobError
from ftjob.ui import assets
from ftjob.ui.access import TokenLink
from ftjob.ui.pages import (
    all_runs,
    classify_page,
    comparing,
    dataset_page,
    new_run,
    one_run,
    plan_page,
    run_files,
    run_verbs,
)
from ftjob.ui.rendering import problem_page, status_of
from ftjob.ui.run_list import RunList
from ftjob.ui.settings import UiSettings
from ftjob.ui.watched import WatchedRuns
from ftjob.ui.work.state import KeptWork
from ftjob.web.bearer import Bearer
from ftjob.web.guard import Guard

PAGES = (
    *(all_runs.ROUTES, one_run.ROUTES, run_files.ROUTES, run_verbs.ROUTES, comparing.ROUTES),
    *(dataset_page.ROUTES, classify_page.ROUTES, new_run.ROUTES, plan_page.ROUTES),
)
"""The routes of every page's module."""


def create_app(settings: UiSettings) -> ASGIApp:
    """Return the app that serves the pages."""
    app = Starlette(
        lifespan=_closing,
        routes=[*assets.ROUTES, *chain(*PAGES)],
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
    app.state.work = KeptWork()
    admitted = Bearer(app, settings.review) if settings.review else app
    return Guard(admitted, settings.body_bytes, settings.hosts)


@asynccontextmanager
async def _closing(app: Starlette) -> AsyncIterator[None]:
    """Close what is open when the server stops."""
    yield
    await run_in_threadpool(app.state.work.classifiers.close)


def _ftjob_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, FtjobError)
    return problem_page(request, status_of(error), str(error))


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
