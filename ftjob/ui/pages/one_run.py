"""The page of one run: what a report has, where it stands now, and what may be done to it."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ftjob import api
from ftjob.report import now
from ftjob.report.compare.comparison import FEWEST, MOST
from ftjob.report.facts import Facts
from ftjob.report.page import charts_of, page_of
from ftjob.runfolder.status import State, Status
from ftjob.ui.access import settings_of
from ftjob.ui.asked import path_of, run_of
from ftjob.ui.follow import LiveState, follow
from ftjob.ui.plots import POINTS, documents_of, money_chart
from ftjob.ui.rendering import page, text_of
from ftjob.ui.watched import WatchedRun, watched

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

EVENTS = 12
"""Lines of what happened last."""


def one_run(request: Request) -> Response:
    """Answer with everything about a run; of a sweep with its members."""
    run = run_of(request)
    if run.sweep() is not None:
        return page(request, "one_sweep.html", path=path_of(run), **_sweep(request, run))
    seen = watched(request, run)
    status, facts, events, problem = seen.look()
    shown = page_of(facts)
    return page(
        request,
        "one_run.html",
        **_now(facts, status, events),
        **{key: value for key, value in vars(shown).items() if key != "status"},
        money_chart=money_chart(facts),
        problem=problem,
        path=path_of(run, status.run_id),
    )


def changes(request: Request) -> Response:
    """Answer with what changes on a run's page."""
    seen = watched(request, run_of(request))
    return follow(request, partial(_look, seen), settings_of(request).refresh_seconds)


def members(request: Request) -> Response:
    """Answer with a sweep's members whenever they change."""
    look = partial(_members, request, run_of(request))
    return follow(request, look, settings_of(request).refresh_seconds)


def curves(request: Request) -> Response:
    """Answer with a run's curves, for a script to draw."""
    _, facts, _, _ = watched(request, run_of(request)).look()
    charts = documents_of([*charts_of(facts, POINTS), money_chart(facts)])
    return JSONResponse([asdict(chart) for chart in charts])


def _look(seen: WatchedRun) -> LiveState:
    status, facts, events, _ = seen.look()
    shown = {**_now(facts, status, events), "facts": facts, "total": facts.bill.total, "against": None}
    parts = {"now": text_of("run_now.html", **shown), "headline": text_of("headline.html", **shown)}
    return LiveState(
        parts=parts,
        curves=f"{len(facts.train)}/{len(facts.tests)}/{facts.status.iteration}",
        ended=status.state.ended,
    )


def _members(request: Request, run: "RunHandle") -> LiveState:
    shown = _sweep(request, run)
    return LiveState({"members-now": text_of("members.html", **shown)}, ended=bool(shown["sweep_ended"]))


def _sweep(request: Request, run: "RunHandle") -> dict[str, object]:
    """Return what members.html shows."""
    settings = settings_of(request)
    sweep = api.compare_sweep(str(run.reference), settings.context, settings.namespace)
    tested = [("run", row.name) for row in sweep.rows if row.accuracy is not None][:MOST]
    return {
        "sweep": sweep,
        "sweep_ended": State(sweep.state).ended,
        "linked": "/runs/",
        "most": MOST,
        "together": f"/compare?{urlencode(tested)}" if len(tested) >= FEWEST else "",
    }


def _now(facts: Facts, status: Status, events: Sequence[tuple[float, str]]) -> dict[str, object]:
    """Return what run_now.html shows."""
    return {
        "status": status,
        "progress": now.progress_now(status),
        "money": now.money_now(facts, status),
        "figures": now.figures_now(status),
        "computing": now.computing_now(facts, status),
        "events": list(reversed(events))[:EVENTS],
    }


ROUTES = [
    Route("/runs/{name}", one_run),
    Route("/runs/{name}/{run_id}", one_run),
    Route("/runs/{name}/{run_id}/events", changes),
    Route("/runs/{name}/{run_id}/members.events", members),
    Route("/runs/{name}/{run_id}/curves.json", curves),
]
