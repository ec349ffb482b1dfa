"""The pages of a server, with everything escaped that comes from outside, and the files that they load."""

import base64
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from ftjob.answers.answer import PictureAnswer
from jobspec.text import visible_lines

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jinja2 import Environment

ASSETS = {"serve.css": "text/css", "serve.js": "text/javascript"}


def front(name: str, version: str) -> str:
    """Return the page on which one drops a picture."""
    return _templates().get_template("front.html").render(name=name, version=version, answers=[])


def answers(name: str, version: str, found: Sequence[PictureAnswer], seen: Sequence[bytes]) -> str:
    """Return the page of answers, each beside the picture as the net sees it (a PNG)."""
    shown = [(answer, base64.b64encode(data).decode()) for answer, data in zip(found, seen, strict=True)]
    return _templates().get_template("front.html").render(name=name, version=version, answers=shown)


def refusal(name: str, version: str, sentence: str) -> str:
    """Return the page with why there is no answer."""
    return (
        _templates()
        .get_template("front.html")
        .render(name=name, version=version, answers=[], problem=sentence)
    )


def docs(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as a page."""
    return _templates().get_template("docs.html").render(document=document)


def assets() -> "dict[str, Callable[[Request], Awaitable[Response]]]":
    """Return what answers with each file that pages load, by its name."""
    return {name: _asset(name, kind) for name, kind in ASSETS.items()}


def _asset(name: str, kind: str) -> "Callable[[Request], Awaitable[Response]]":
    data = (files("ftjob.serve") / "templates" / name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(data, media_type=kind, headers={"Cache-Control": "max-age=3600"})

    return answer


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("ftjob.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible_lines(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
