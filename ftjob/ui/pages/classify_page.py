"""The page that classifies a picture."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftjob import api
from ftjob.answers.uploads import TooLargeError, check_upload
from ftjob.dataset.image.pixels import UnreadableImageError
from ftjob.errors import BadSpecError, FtjobError
from ftjob.ui.access import may_write, settings_of
from ftjob.ui.posted import file_of, posted, text_of
from ftjob.ui.rendering import page, status_of
from ftjob.ui.work.classifiers import SeenPicture
from ftjob.ui.work.offered import is_reference, known_models
from ftjob.ui.work.state import work_of

TOP = 5
"""Classes in an answer, as `ftjob classify` has them."""
MOST = 1000
NO_PATHS = (
    "without the token only runs and aliases can be asked, as NAME, NAME/ID or alias:NAME: open the address "
    "with ?token=…"
)


@dataclass(frozen=True)
class PictureQuestion:
    """What somebody chose on the page."""

    model: str
    top: int = TOP
    name: str = ""
    """Of the picture's file."""


def classify_page(request: Request) -> Response:
    """Answer with the form."""
    return _page(request, PictureQuestion(request.query_params.get("model", "")))


def classify(request: Request) -> Response:
    """Answer with the classes of the picture that was sent, and with it as the net sees it."""
    name, data = file_of(request, "picture")
    model = text_of(request, "other").strip() or text_of(request, "model")
    top = text_of(request, "top").strip()
    asked = PictureQuestion(model, int(top) if top.isdecimal() and 0 < int(top) <= MOST else TOP, name)
    try:
        return _page(request, asked, answer=_answer(request, asked, data))
    except TooLargeError as error:
        return _page(request, asked, f"{name}: {error}", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    except UnreadableImageError as error:
        return _page(request, asked, f"{name}: {error}", HTTPStatus.UNPROCESSABLE_ENTITY)
    except FtjobError as error:
        return _page(request, asked, str(error), status_of(error))


def _answer(request: Request, asked: PictureQuestion, data: bytes) -> SeenPicture:
    if not asked.model:
        raise BadSpecError("model: is missing: choose a run, or give the folder of a bundle")
    if not asked.name:
        raise BadSpecError("picture: is missing: choose a file")
    if not may_write(request) and not is_reference(asked.model):
        raise HTTPException(403, NO_PATHS)
    check_upload(data)
    settings = settings_of(request)
    bundle = api.bundle_folder(asked.model, settings.context, settings.namespace)
    return work_of(request).classifiers.classify(bundle, data, asked.top)


def _page(
    request: Request,
    asked: PictureQuestion,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    answer: SeenPicture | None = None,
) -> Response:
    shown = page(
        request,
        "classify.html",
        models=known_models(settings_of(request)),
        asked=asked,
        problem=problem,
        answer=answer,
    )
    shown.status_code = status
    return shown


ROUTES = [Route("/classify", classify_page), Route("/classify", posted(classify), methods=["POST"])]
