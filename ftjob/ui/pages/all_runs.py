"""The page of all runs."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftjob import api
from ftjob.ui.access import settings_of
from ftjob.ui.rendering import page


def all_runs(request: Request) -> Response:
    """Answer with a table of the runs."""
    settings = settings_of(request)
    runs = api.list_runs("*", settings.context, settings.namespace)
    rows = [(run.reference, run.status_or_unreachable()) for run in reversed(runs)]
    return page(request, "all_runs.html", rows=rows)


ROUTES = [Route("/", all_runs)]
