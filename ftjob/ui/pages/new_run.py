"""The pages on which a spec is written: begun with pictures or a run, changed by a form or as text."""

from collections import defaultdict
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from ftjob import api
from ftjob.errors import FtjobError
from ftjob.net import zoo
from ftjob.net.zoo.published import PUBLISHED
from ftjob.ui.access import settings_of, writes
from ftjob.ui.asked import run_named
from ftjob.ui.posted import posted, text_of, texts_of
from ftjob.ui.rendering import page, status_of
from ftjob.ui.work.draft import Draft, changed_draft, draft_of
from ftjob.ui.work.place import place_of_data
from ftjob.ui.work.planned import plan_draft
from ftjob.ui.work.state import work_of
from jobspec.forms.spec_form import spec_form

FIELD = "field."
"""What the names of the form's fields begin with."""


def new_run(request: Request) -> Response:
    """Answer with ways to begin, or with the spec of the run or plan that is named."""
    query = request.query_params
    if "run" in query:
        return editor(request, draft_of(run_named(request, query["run"]).spec_text()))
    if "plan" in query:
        return editor(request, draft_of(work_of(request).plans.find(query["plan"]).asked))
    return _start(request, {"data": query.get("data", "")})


def begin(request: Request) -> Response:
    """Answer with a first spec for some pictures, as `ftjob init` writes it."""
    given = texts_of(request)
    net, weights = (
        given.get(f"other_{name}", "").strip() or given.get(name, "") or None for name in ("net", "weights")
    )
    try:
        data = place_of_data(given.get("data", ""))
        return editor(request, draft_of(api.first_spec(net, data, weights)))
    except FtjobError as error:
        return _start(request, given, str(error), status_of(error))


def change(request: Request) -> Response:
    """Take what was changed, and plan it where that was asked for and nothing is wrong."""
    given = texts_of(request)
    fields = {name.removeprefix(FIELD): text for name, text in given.items() if name.startswith(FIELD)}
    draft = changed_draft(text_of(request, "yaml"), text_of(request, "before"), fields)
    spec = draft.spec
    if given.get("do") != "plan" or spec is None:
        problems = HTTPStatus.UNPROCESSABLE_ENTITY if draft.problems else HTTPStatus.OK
        return editor(request, draft, problems, taken=not draft.problems)
    job = work_of(request).plans.start(draft.text, lambda report: plan_draft(spec, report))
    return RedirectResponse(f"/plans/{job.id}", 303)


def editor(
    request: Request, draft: Draft, status: HTTPStatus = HTTPStatus.OK, *, taken: bool = False
) -> Response:
    """Answer with the form and the text of a draft; `taken`: what was changed is in both now."""
    shown = page(
        request,
        "edit_spec.html",
        draft=draft,
        sections=spec_form(),
        prefix=FIELD,
        folder=str(Path.cwd()),
        taken=taken,
    )
    shown.status_code = status
    return shown


def _start(
    request: Request, given: dict[str, str], problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    settings = settings_of(request)
    runs = reversed(api.list_runs("*", settings.context, settings.namespace))
    shown = page(
        request,
        "new_run.html",
        given=defaultdict(str, given),
        problem=problem,
        nets=zoo.NAMES,
        published=[each.reference for each in PUBLISHED],
        runs=[str(run.reference) for run in runs],
        folder=str(Path.cwd()),
    )
    shown.status_code = status
    return shown


ROUTES = [
    Route("/new", new_run),
    Route("/new/first", writes(posted(begin)), methods=["POST"]),
    Route("/new", writes(posted(change)), methods=["POST"]),
]
