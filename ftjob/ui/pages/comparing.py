"""The page of several runs: their curves in one plot, and how they stand to the first."""

from dataclasses import asdict
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ftjob import api
from ftjob.report.compare.thumbnails import pictures_of
from ftjob.report.page import SMOOTHED
from ftjob.report.render import ComparisonReport
from ftjob.ui.access import settings_of
from ftjob.ui.asked import reference_of
from ftjob.ui.plots import POINTS, charts_together, documents_of
from ftjob.ui.rendering import page


def comparing(request: Request) -> Response:
    """Answer with the comparison of the runs that the query names."""
    compared = _compared(request)
    comparison = compared.comparison
    return page(
        request,
        "comparing.html",
        comparison=comparison,
        pictures=pictures_of(comparison, compared.facts),
        charts=[chart for chart in charts_together(compared.facts, SMOOTHED) if not chart.is_empty],
        curves="/compare.json?" + urlencode([("run", each.run) for each in compared.facts]),
    )


def curves(request: Request) -> Response:
    """Answer with the runs' curves, for a script to draw."""
    charts = documents_of(charts_together(_compared(request).facts, POINTS))
    return JSONResponse([asdict(chart) for chart in charts])


def _compared(request: Request) -> ComparisonReport:
    settings = settings_of(request)
    named = [reference_of(each) for each in request.query_params.getlist("run")]
    return api.compare(named, settings.context, settings.namespace)


ROUTES = [Route("/compare", comparing), Route("/compare.json", curves)]
