"""The runs of a machine or of a namespace, read again only where something changed."""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from ftjob import api
from ftjob.errors import FtjobError
from ftjob.runfolder.address import RunReference
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.runfolder.status import State, Status
from ftjob.storage import local_path
from ftjob.ui.settings import UiSettings
from ftjob.ui.sparkline import Sparkline, sparkline

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

READERS = 8
"""Runs in stores whose curves are read at a time."""
PATIENCE = 0.5
"""Seconds that a page waits for curves; it is sent without those that come later."""
MOST_CURVES = 4096
"""Sparklines that are kept."""
LASTING = frozenset({State.SUCCEEDED, State.FAILED, State.STOPPED})
"""What stays in a status file until somebody writes another."""
SHARE = 10.0
"""How many times as long as a look took we wait before the next."""


@dataclass(frozen=True)
class ListedRun:
    """One run of the list."""

    run: "RunHandle"
    reference: RunReference
    status: Status

    @property
    def node(self) -> str:
        """Where its newest attempt computes, or did."""
        return self.status.attempts[-1].node if self.status.attempts else ""

    @property
    def is_unreachable(self) -> bool:
        return self.status.state is State.UNREACHABLE


class RunList:
    """The runs, newest first."""

    def __init__(self, settings: UiSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._due = 0.0
        self._runs: tuple[ListedRun, ...] = ()
        self._problems: tuple[str, ...] = ()
        self._ended: dict[str, tuple[object, Status]] = {}
        """By location, the status of a run that has ended, and what its file looked like."""
        self._lines: OrderedDict[str, tuple[object, Future[Sparkline | None]]] = OrderedDict()
        self._readers = ThreadPoolExecutor(READERS, "sparklines")

    def read(self) -> tuple[tuple[ListedRun, ...], tuple[str, ...]]:
        """Return the runs, and a sentence for each note of a run that cannot be read.

        Raises FtjobError where a cluster does not answer.
        """
        with self._lock:
            begin = time.monotonic()
            if begin >= self._due:
                self._runs, self._problems = self._listed(), self._unreadable()
                ended = time.monotonic()
                least = self._settings.refresh_seconds
                self._due = ended + min(least * SHARE, max(least, SHARE * (ended - begin)))
            return self._runs, self._problems

    def sparklines(self, listed: Iterable[ListedRun]) -> list[Sparkline | None]:
        """Return the sparklines of some runs; None where there is nothing to draw, or not yet."""
        asked = [self._line(each) for each in listed]
        wait(asked, PATIENCE)
        return [each.result() if each.done() else None for each in asked]

    def _listed(self) -> tuple[ListedRun, ...]:
        settings = self._settings
        if settings.context or settings.namespace:
            found = api.list_statuses("*", settings.context, settings.namespace)
        else:
            found = [(run, self._status(run)) for run in api.list_runs()]
        return tuple(ListedRun(run, _reference(run, status), status) for run, status in reversed(found))

    def _unreadable(self) -> tuple[str, ...]:
        if self._settings.context or self._settings.namespace:
            return ()
        return tuple(api.unreadable_notes())

    def _status(self, run: "RunHandle") -> Status:
        seen = _stamp(run)
        known = self._ended.get(run.location)
        if known and seen is not None and known[0] == seen:
            return known[1]
        status = run.status_or_unreachable()
        if status.state in LASTING:
            self._ended[run.location] = seen, status
        return status

    def _line(self, listed: ListedRun) -> "Future[Sparkline | None]":
        key, status = str(listed.reference), listed.status
        of = (status.iteration, status.tested, status.updated)
        with self._lock:
            known = self._lines.get(key)
            if known is None or known[0] != of:
                known = of, self._readers.submit(_drawn, listed)
                self._lines[key] = known
            self._lines.move_to_end(key)
            if len(self._lines) > MOST_CURVES:
                self._lines.popitem(last=False)
            return known[1]


def runs_of(request: HTTPConnection) -> RunList:
    """Return the list of the app that answers a request."""
    found = request.app.state.runs
    assert isinstance(found, RunList)
    return found


def _reference(run: "RunHandle", status: Status) -> RunReference:
    """Return a run's NAME/ID: a status file may name another run, a cluster's object has its id in the
    status alone."""
    known = run.reference
    return known if known.run_id else RunReference(known.name, status.run_id)


def _stamp(run: "RunHandle") -> object:
    """Return what changes when a run's status on this disk does; None where it is elsewhere."""
    folder = local_path(run.location) if "://" not in run.location else None
    if folder is None:
        return None
    try:
        seen = RunFolder(folder).status.stat()
    except (OSError, ValueError):
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _drawn(listed: ListedRun) -> Sparkline | None:
    """Return a run's sparkline; a run whose curves cannot be read has none, and its page has the reason."""
    if not listed.status.iteration:
        return None
    tests: Sequence[TestLine] = ()
    train: Sequence[TrainLine] = ()
    try:
        tests = listed.run.tests()
        train = listed.run.metrics() if len(tests) < 2 else ()
    except FtjobError:
        return None
    return sparkline(tests, train)
