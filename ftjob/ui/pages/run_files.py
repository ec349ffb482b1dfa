"""A run's log, its report as one file, and the drawing of its net."""

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from ftjob import api
from ftjob.ui.access import settings_of
from ftjob.ui.asked import path_of, run_of
from ftjob.ui.follow import LiveState, follow
from ftjob.ui.rendering import page
from ftjob.ui.watched import WatchedRun, watched
from jobspec.text import visible_lines

LOG_BYTES = 100_000
"""Of each attempt's log that a page begins with; the whole is a link."""


def log(request: Request) -> Response:
    """Answer with the end of a run's logs."""
    run = run_of(request)
    ended = run.status().state.ended
    text = visible_lines(run.log_reader(LOG_BYTES)())
    return page(request, "run_log.html", run=str(run.reference), path=path_of(run), ended=ended, text=text)


def log_changes(request: Request) -> Response:
    """Answer with what a run's logs gain."""
    run = run_of(request)
    look = partial(_log, watched(request, run), run.log_reader(LOG_BYTES))
    return follow(request, look, settings_of(request).refresh_seconds)


def _log(seen: WatchedRun, read: Callable[[], str]) -> LiveState:
    status, *_ = seen.look()  # first: what it wrote before its end is in the log by then
    return LiveState(text={"log": visible_lines(read())}, ended=status.state.ended)


def whole_log(request: Request) -> Response:
    """Answer with all logs, as they come."""
    lines = map(visible_lines, run_of(request).log_lines())
    return StreamingResponse(lines, media_type="text/plain; charset=utf-8")


def report(request: Request) -> Response:
    """Answer with the run's report, a page of its own to keep or send."""
    return HTMLResponse(run_of(request).report().html())


def net(request: Request) -> Response:
    """Answer with the drawing of a run's net."""
    return Response(api.draw_run(run_of(request)), media_type="image/svg+xml")


ROUTES = [
    Route("/runs/{name}/{run_id}/log", log),
    Route("/runs/{name}/{run_id}/log.events", log_changes),
    Route("/runs/{name}/{run_id}/log.txt", whole_log),
    Route("/runs/{name}/{run_id}/report.html", report),
    Route("/runs/{name}/{run_id}/net.svg", net),
]
