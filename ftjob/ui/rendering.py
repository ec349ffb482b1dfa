"""Pages from templates: the report's own, and those of this room, with everything escaped."""

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse

from ftjob.errors import ExitCode, FtjobError
from ftjob.formatting import age
from ftjob.report.now import spent
from ftjob.report.templating import templates
from ftjob.ui.assets import asset_path
from jobspec.text import plain

if TYPE_CHECKING:
    from jinja2 import Environment

NAVIGATION = (("Runs", "/"), ("Data", "/data"), ("Classify", "/classify"), ("New run", "/new"))
"""The links at the head of every page."""


STATUS = {
    ExitCode.BAD_SPEC: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.BAD_NET: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.BAD_DATA: HTTPStatus.UNPROCESSABLE_ENTITY,
    ExitCode.NOT_ACCEPTED: HTTPStatus.CONFLICT,
    ExitCode.STORAGE: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The HTTP status of an error of ftjob's; of others 500."""


def status_of(error: FtjobError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    return STATUS.get(error.exit_code, HTTPStatus.INTERNAL_SERVER_ERROR)


@cache
def _environment() -> "Environment":
    from jinja2 import ChoiceLoader, PackageLoader

    made = templates().overlay(
        loader=ChoiceLoader([PackageLoader("ftjob.ui"), PackageLoader("ftjob.report")])
    )
    made.filters |= {"age": age, "short": plain, "spent": spent}
    made.globals |= {"asset": asset_path, "NAVIGATION": NAVIGATION}
    return made


def text_of(template: str, **facts: object) -> str:
    """Return a part of a page."""
    return _environment().get_template(template).render(facts)


def page(request: Request, template: str, **facts: object) -> HTMLResponse:
    """Return a page. Its template extends layout.html, and has `may_write` and `here`, the path, besides
    `facts`."""
    from ftjob.ui.access import may_write

    head = {"may_write": may_write(request), "here": request.url.path}
    return HTMLResponse(text_of(template, **head, **facts), headers={"Cache-Control": "no-store"})


def problem_page(request: Request, status_code: int, sentence: str) -> HTMLResponse:
    """Return the page that has one sentence: what is wrong, and what to do."""
    answer = page(request, "problem.html", sentence=plain(sentence))
    answer.status_code = status_code
    return answer
