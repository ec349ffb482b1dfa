"""What may be done to a run from its page."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ftjob.ui.access import writes
from ftjob.ui.asked import path_of, run_of


@writes
def cancel(request: Request) -> Response:
    """Stop a run after a snapshot."""
    run = run_of(request)
    run.cancel()
    return RedirectResponse(path_of(run), 303)


ROUTES = [Route("/runs/{name}/{run_id}/cancel", cancel, methods=["POST"])]
