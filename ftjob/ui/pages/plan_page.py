"""The page of a plan: what a spec would do, need and cost; and its submit."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ftjob.client.sweeping.sweeps import Where
from ftjob.drawing.drawing import draw
from ftjob.drawing.drawn_net import net_of_plan
from ftjob.errors import FtjobError
from ftjob.ui.access import settings_of, writes
from ftjob.ui.asked import path_of
from ftjob.ui.pages.new_run import editor
from ftjob.ui.posted import posted, text_of
from ftjob.ui.rendering import page, status_of
from ftjob.ui.work.draft import draft_of, refused
from ftjob.ui.work.jobs import Job
from ftjob.ui.work.planned import PlannedDraft, PlannedSweep
from ftjob.ui.work.state import work_of

Planned = PlannedDraft | PlannedSweep


def plan_page(request: Request) -> Response:
    """Answer with a plan, with how far it is, or with the spec and what it was refused for."""
    job = _job(request)
    if not job.is_done:
        return page(request, "under_way.html", title="Making the plan", job=job, path=request.url.path)
    try:
        planned = job.result()
    except FtjobError as error:
        return editor(request, refused(draft_of(job.asked), error), status_of(error))
    return _plan(request, planned)


def progress(request: Request) -> Response:
    """Answer with how far a plan is."""
    job = _job(request)
    return JSONResponse({"done": job.is_done, "progress": job.progress})


def net_drawing(request: Request) -> Response:
    """Answer with the planned net as a picture."""
    planned = _planned(request)
    if isinstance(planned, PlannedSweep):
        raise HTTPException(404, "a sweep has a net for each member, and no drawing")
    return Response(draw(net_of_plan(planned.plan)), media_type="image/svg+xml")


def submit(request: Request) -> Response:
    """Start a planned run, or resume it."""
    planned = _planned(request)
    settings = settings_of(request)
    where = Where(
        text_of(request, "where") == "here",
        text_of(request, "context").strip() or settings.context,
        text_of(request, "namespace").strip() or settings.namespace,
    )
    try:
        agreed, short = (bool(text_of(request, name)) for name in ("agreed", "short"))
        if isinstance(planned, PlannedSweep):
            run = planned.submit(where, agreed=agreed)
        else:
            run = planned.submit(where, agreed=agreed, short=short)
    except FtjobError as error:
        return _plan(request, planned, str(error), status_of(error))
    return RedirectResponse(path_of(run), 303)


def _plan(request: Request, planned: Planned, problem: str = "", status: int = 200) -> Response:
    job = _job(request)
    shown = page(
        request,
        "plan_of_sweep.html" if isinstance(planned, PlannedSweep) else "plan.html",
        planned=planned,
        problem=problem,
        job=job.id,
        text=job.asked,
    )
    shown.status_code = status
    return shown


def _planned(request: Request) -> Planned:
    """Return a plan. Raises HTTPException, 404, while there is none, FtjobError where there will be none."""
    job = _job(request)
    if not job.is_done:
        raise HTTPException(404, "this plan is not made yet: look again")
    return job.result()


def _job(request: Request) -> Job[Planned]:
    return work_of(request).plans.find(request.path_params["job"])


ROUTES = [
    Route("/plans/{job}", plan_page),
    Route("/plans/{job}/progress", progress),
    Route("/plans/{job}/net.svg", net_drawing),
    Route("/plans/{job}/submit", writes(posted(submit)), methods=["POST"]),
]
