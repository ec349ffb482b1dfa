"""The page of one run."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftjob.report.page import page_of
from ftjob.ui.asked import run_of
from ftjob.ui.rendering import page


def one_run(request: Request) -> Response:
    """Answer with everything that a run's folder has."""
    run = run_of(request)
    shown = page_of(run.facts())
    return page(request, "one_run.html", reference=run.reference, **vars(shown))


ROUTES = [Route("/runs/{name}", one_run), Route("/runs/{name}/{run_id}", one_run)]
