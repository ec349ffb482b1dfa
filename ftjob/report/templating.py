"""The templates of pages, with everything escaped that comes from outside."""

from functools import cache
from typing import TYPE_CHECKING, Any

from ftjob import formatting as figures
from ftjob.report.compare.phrases import THAN, basis
from ftjob.report.compare.thumbnails import shown_images
from ftjob.report.words import difference, fine, points, span, when
from ftjob.runfolder.charges import EARLIER
from ftjob.runfolder.status import State
from jobspec.text import visible_lines

if TYPE_CHECKING:
    from jinja2 import Environment


@cache
def templates() -> "Environment":
    """Return the environment that all pages are made in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("ftjob.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = ("brief", "count", "dollars", "duration", "number", "percent")
    made.filters |= {name: getattr(figures, name) for name in words}
    made.filters |= {"when": when, "points": points, "fine": fine, "difference": difference, "span": span}
    made.globals |= {"EARLIER": EARLIER, "State": State, "THAN": THAN}
    made.globals |= {"basis": basis, "shown_images": shown_images}
    return made


def _shown(value: Any) -> Any:
    """Have every text that is put into the page be visible; what is HTML already was so when it was made."""
    return visible_lines(value) if type(value) is str else value
