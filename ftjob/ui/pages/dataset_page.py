"""The pages of datasets: what is in them, and what is wrong with it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ftjob.ui.access import may_write, settings_of
from ftjob.ui.posted import posted, text_of
from ftjob.ui.rendering import page
from ftjob.ui.work.examined import examine
from ftjob.ui.work.offered import known_datasets
from ftjob.ui.work.place import place_of_data
from ftjob.ui.work.state import work_of

NO_PATHS = "without the token only data of a run in the list can be looked at: open the address with ?token=…"


def datasets(request: Request) -> Response:
    """Answer with a form for a path, and the data of the newest runs."""
    return page(request, "datasets.html", known=known_datasets(settings_of(request)))


def check(request: Request) -> Response:
    """Begin to check a dataset. Whoever has no token may only name what a run names."""
    location = place_of_data(text_of(request, "data").strip() or text_of(request, "known"))
    if not may_write(request) and location not in known_datasets(settings_of(request)):
        raise HTTPException(403, NO_PATHS)
    job = work_of(request).examinations.start(location, lambda report: examine(location, report))
    return RedirectResponse(f"/data/{job.id}", 303)


def dataset(request: Request) -> Response:
    """Answer with what was found, or how far it is."""
    job = work_of(request).examinations.find(request.path_params["job"])
    if not job.is_done:
        return page(
            request, "under_way.html", title="Looking at the pictures", job=job, path=request.url.path
        )
    return page(request, "dataset.html", data=job.result())


def progress(request: Request) -> Response:
    """Answer with how far a check is."""
    job = work_of(request).examinations.find(request.path_params["job"])
    return JSONResponse({"done": job.is_done, "progress": job.progress})


def picture(request: Request) -> Response:
    """Answer with one of the pictures."""
    job = work_of(request).examinations.find(request.path_params["job"])
    found = job.result().picture(request.path_params["number"]) if job.is_done else None
    if found is None:
        raise HTTPException(404)
    return Response(found, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


ROUTES = [
    Route("/data", datasets),
    Route("/data", posted(check), methods=["POST"]),
    Route("/data/{job}", dataset),
    Route("/data/{job}/progress", progress),
    Route("/data/{job}/pictures/{number:int}", picture),
]
