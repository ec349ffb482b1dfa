"""Scripts and styles of the pages, from this package and from plotly's: none comes from elsewhere."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ftjob.report.templating import templates

FOLDER = Path(__file__).parent / "static"
PLOTLY = "plotly.min.js"
STYLE = "ui.css"
FOREVER = {"Cache-Control": "max-age=31536000, immutable"}
"""An asset's address has its digest, so that it never changes."""


def asset_path(name: str) -> str:
    """Return the address of an asset."""
    return f"/static/{name}?v={_digest(name)}"


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name == STYLE:
        return Response(_style(), media_type="text/css", headers=FOREVER)
    if name != PLOTLY and name not in {path.name for path in FOLDER.iterdir()}:
        raise HTTPException(404)
    return FileResponse(_path(name), headers=FOREVER)


@cache
def _digest(name: str) -> str:
    data = _style().encode() if name == STYLE else _path(name).read_bytes()
    return hashlib.sha256(data).hexdigest()[:12]


@cache
def _style() -> str:
    """Return the pages' style: a report's own, and what pages have besides."""
    looks = templates().get_template("page.css").render()
    return f"{looks}\n{(FOLDER / STYLE).read_text(encoding='utf-8')}"


def _path(name: str) -> Path:
    return _plotly() if name == PLOTLY else FOLDER / name


@cache
def _plotly() -> Path:
    found = find_spec("plotly")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "package_data" / PLOTLY


ROUTES = [Route("/static/{name}", _asset)]
