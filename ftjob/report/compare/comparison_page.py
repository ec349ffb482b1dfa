"""The page of a comparison: one file of HTML, like a run's page."""

from ftjob.report.compare.comparison import Comparison
from ftjob.report.compare.thumbnails import Pictures
from ftjob.report.templating import templates


def render_comparison(comparison: Comparison, pictures: Pictures) -> str:
    """Return the page. The same runs make the same page; all that comes from outside is escaped."""
    return templates().get_template("compare.html").render(comparison=comparison, pictures=pictures)
