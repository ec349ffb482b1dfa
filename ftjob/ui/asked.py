"""The run that a request asks about."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ftjob import api
from ftjob.errors import BadSpecError
from ftjob.ui.access import settings_of
from jobspec.text import plain

NO_ID = "-"
"""In an address, the id of whichever run has the name now."""
_REFERENCE = re.compile("[a-z0-9][-a-z0-9]*(/[a-z0-9][-a-z0-9]*)?", re.ASCII)
"""NAME or NAME/ID. api.find() takes paths and URIs as well, and a page opens none that its address names."""

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle


def reference_of(text: str) -> str:
    """Return a reference to a run as an address has it. Raises HTTPException, 404, where it is none."""
    if not _REFERENCE.fullmatch(text):
        raise HTTPException(404, f"{plain(text, 100)}: is no run's NAME or NAME/ID")
    return text


def run_of(request: Request) -> "RunHandle":
    """Return the run that a path with `name` and perhaps `run_id` means. Raises HTTPException, 404."""
    parts = request.path_params
    run_id = parts.get("run_id", NO_ID)
    return run_named(request, parts["name"] if run_id == NO_ID else f"{parts['name']}/{run_id}")


def run_named(request: Request, text: str) -> "RunHandle":
    """Return the run that NAME or NAME/ID means. Raises HTTPException, 404."""
    reference, settings = reference_of(text), settings_of(request)
    try:
        return api.find(reference, settings.context, settings.namespace)
    except BadSpecError as error:
        raise HTTPException(404, str(error)) from None


def path_of(run: "RunHandle", run_id: str = "") -> str:
    """Return the address of a run's page, below which its other pages are; `run_id` is its id where that is
    known by now, which that of a run on a cluster is after its plan."""
    known = run.reference
    return f"/runs/{quote(known.name)}/{quote(known.run_id or run_id or NO_ID)}"
