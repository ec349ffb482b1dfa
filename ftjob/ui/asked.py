"""The run that a request asks about."""

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request

from ftjob import api
from ftjob.errors import BadSpecError
from ftjob.ui.access import settings_of

_NAME = re.compile("[a-z0-9][-a-z0-9]*", re.ASCII)

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle


def run_of(request: Request) -> "RunHandle":
    """Return the run that a path with `name` and perhaps `run_id` means. Raises HTTPException, 404."""
    parts = request.path_params
    return run_named(request, "/".join(part for part in (parts["name"], parts.get("run_id")) if part))


def run_named(request: Request, reference: str) -> "RunHandle":
    """Return the run that NAME or NAME/ID means. Raises HTTPException, 404."""
    settings = settings_of(request)
    if not all(map(_NAME.fullmatch, reference.split("/", 1))):  # find() would take it for a path
        raise HTTPException(404, f"{reference}: is no run's name")
    try:
        return api.find(reference, settings.context, settings.namespace)
    except BadSpecError as error:
        raise HTTPException(404, str(error)) from None


def path_of(run: "RunHandle") -> str:
    """Return the address of a run's page."""
    return "/runs/" + quote(str(run.reference))
