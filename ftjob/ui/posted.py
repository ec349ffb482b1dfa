"""Forms that a browser sends: read as they arrive, and answered in a thread."""

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

MOST_FIELDS = 200
MOST_FIELD_BYTES = 1 << 20
"""Of a field that is no file: a spec in YAML."""


def posted(endpoint: Callable[[Request], Response]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that has the form which was sent, see `text_of` and `file_of`."""

    async def answer(request: Request) -> Response:
        async with request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=MOST_FIELD_BYTES) as form:
            request.state.form = form
            return await run_in_threadpool(endpoint, request)

    return answer


def _form(request: Request) -> FormData:
    form = request.state.form
    assert isinstance(form, FormData)
    return form


def text_of(request: Request, name: str) -> str:
    """Return a field's text, with the line ends of this system; empty where there is none."""
    value = _form(request).get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def texts_of(request: Request) -> dict[str, str]:
    """Return the texts of all fields by name."""
    return {name: text_of(request, name) for name in _form(request)}


def file_of(request: Request, name: str) -> tuple[str, bytes]:
    """Return the name and the bytes of a file; empty where none was chosen."""
    value = _form(request).get(name)
    return (value.filename or "", value.file.read()) if isinstance(value, UploadFile) else ("", b"")
