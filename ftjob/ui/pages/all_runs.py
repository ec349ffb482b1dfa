"""The page of all runs: found, sorted and followed by the address's query."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftjob.runfolder.status import State
from ftjob.ui.access import settings_of
from ftjob.ui.follow import LiveState, follow
from ftjob.ui.rendering import page, text_of
from ftjob.ui.run_list import ListedRun, RunList, runs_of
from ftjob.ui.sparkline import Sparkline

ROWS = 50
"""Runs on a page."""
LONGEST_QUERY = 200
SORTS: dict[str, Callable[[ListedRun], tuple[object, ...]]] = {
    "name": lambda each: (str(each.reference),),
    "state": lambda each: (str(each.status.state),),
    "accuracy": lambda each: (each.status.best_accuracy or 0.0,),
    "cost": lambda each: (each.status.usd,),
    "time": lambda each: (each.status.seconds,),
    "node": lambda each: (each.node,),
    "age": lambda each: (-(each.status.submitted or 0.0),),
}
"""What a column is sorted by."""


@dataclass(frozen=True)
class RunQuery:
    """What an address asks for."""

    words: str = ""
    """A part of NAME/ID or of the node's name."""
    state: str = ""
    sort: str = ""
    """A key of SORTS, perhaps after a minus; empty for the order of submission, the newest first."""
    page: int = 1

    @classmethod
    def of(cls, query: QueryParams) -> "RunQuery":
        """Return what a query asks for; what it cannot have is passed over."""
        sort, number = query.get("sort", ""), query.get("page", "1")
        return cls(
            words=query.get("q", "")[:LONGEST_QUERY].strip(),
            state=query.get("state", "") if query.get("state") in set(State) else "",
            sort=sort if sort.removeprefix("-") in SORTS else "",
            page=max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 9 else 1,
        )

    def address(self, path: str = "/", **changes: object) -> str:
        """Return the address that asks for this, but for some changes."""
        whole = {"q": self.words, "state": self.state, "sort": self.sort, "page": self.page, **changes}
        kept = {key: value for key, value in whole.items() if value and (key, value) != ("page", 1)}
        return f"{path}?{urlencode(kept)}" if kept else path

    def chosen(self, runs: Sequence[ListedRun]) -> list[ListedRun]:
        """Return the runs that are meant, in their order."""
        kept = [
            each
            for each in runs
            if (not self.state or each.status.state == self.state)
            and (self.words in str(each.reference) or self.words in each.node)
        ]
        if self.sort:
            kept.sort(key=SORTS[self.sort.removeprefix("-")], reverse=self.sort.startswith("-"))
        return kept


@dataclass(frozen=True)
class RunsShown:
    """One page of the table."""

    query: RunQuery
    rows: list[tuple[ListedRun, Sparkline | None]]
    found: int
    """Runs that are meant, on all pages."""
    total: int
    pages: int
    problems: tuple[str, ...]

    @property
    def first(self) -> int:
        """The number of the first row."""
        return (self.query.page - 1) * ROWS + 1


def all_runs(request: Request) -> Response:
    """Answer with the table of runs."""
    query = RunQuery.of(request.query_params)
    shown = _shown(runs_of(request), query)
    return page(
        request,
        "all_runs.html",
        shown=shown,
        states=[str(state) for state in State],
        live=query.address("/runs.events"),
    )


def changes(request: Request) -> Response:
    """Answer with the table's rows whenever they change."""
    query, runs = RunQuery.of(request.query_params), runs_of(request)
    return follow(request, partial(_look, runs, query), settings_of(request).refresh_seconds)


def _look(runs: RunList, query: RunQuery) -> LiveState:
    return LiveState(parts={"rows": text_of("run_rows.html", shown=_shown(runs, query))})


def _shown(runs: RunList, query: RunQuery) -> RunsShown:
    listed, problems = runs.read()
    chosen = query.chosen(listed)
    begin = (query.page - 1) * ROWS
    rows = chosen[begin : begin + ROWS]
    lines = runs.sparklines(rows)
    return RunsShown(
        query,
        list(zip(rows, lines, strict=True)),
        len(chosen),
        len(listed),
        max(1, -(-len(chosen) // ROWS)),
        problems,
    )


ROUTES = [Route("/", all_runs), Route("/runs", all_runs), Route("/runs.events", changes)]
