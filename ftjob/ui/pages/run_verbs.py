"""What may be done to a run from its page."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ftjob.ui.access import writes
from ftjob.ui.asked import path_of, run_of
from ftjob.ui.rendering import page


@writes
def cancel(request: Request) -> Response:
    """Stop a run after a snapshot."""
    run = run_of(request)
    run.cancel()
    return RedirectResponse(path_of(run), 303)


@writes
def retry(request: Request) -> Response:
    """Resume a run from its newest snapshot."""
    run = run_of(request)
    run.retry()
    return RedirectResponse(path_of(run), 303)


@writes
async def promote(request: Request) -> Response:
    """Point an alias to a run."""
    form = await request.form()
    alias, why = str(form.get("alias", "")), str(form.get("why", ""))
    return await run_in_threadpool(_promoted, request, alias, why, force="force" in form)


def _promoted(request: Request, alias: str, why: str, *, force: bool) -> Response:
    run = run_of(request)
    promoted = run.promote(alias, why, force=force)
    return page(request, "promoted.html", promoted=promoted, run=str(run.reference), path=path_of(run))


ROUTES = [
    Route("/runs/{name}/{run_id}/cancel", cancel, methods=["POST"]),
    Route("/runs/{name}/{run_id}/retry", retry, methods=["POST"]),
    Route("/runs/{name}/{run_id}/promote", promote, methods=["POST"]),
]
