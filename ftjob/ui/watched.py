"""Runs that somebody watches: read once for all who do."""

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from ftjob.client.latest_facts import LatestFacts
from ftjob.report.facts import Facts
from ftjob.report.now import RunEvents
from ftjob.runfolder.charges import Bill
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

MOST = 16
"""Runs whose contents are kept."""


class WatchedRun:
    """A run's status, contents and events, for all its pages."""

    def __init__(self, run: "RunHandle", seconds: float) -> None:
        self.run = run
        self._seconds = seconds
        self._lock = threading.Lock()
        self._latest = LatestFacts(run)
        self._events = RunEvents()
        self._due = 0.0
        self._status: Status | None = None

    def look(self) -> tuple[Status, Facts, list[tuple[float, str]], str]:
        """Return its status, its facts (which may be older), the events so far, and why there are no newer
        facts. Raises StorageError, BadSpecError where its status cannot be read."""
        with self._lock:
            if self._status is None or time.monotonic() >= self._due:
                self._status = self.run.status()
                self._events.see(self._status)
                self._latest.refresh(self._status)
                self._due = time.monotonic() + self._seconds
            facts = self._latest.facts or Facts(self._status, Bill(()))
            return self._status, facts, list(self._events.lines), self._latest.problem


class WatchedRuns:
    """The runs watched of late."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._runs: OrderedDict[tuple[str, str], WatchedRun] = OrderedDict()

    def of(self, run: "RunHandle") -> WatchedRun:
        """Return what is known of a run."""
        key = str(run.reference), run.location if run.reference.run_id else ""
        with self._lock:
            watched = self._runs.setdefault(key, WatchedRun(run, self._seconds))
            self._runs.move_to_end(key)
            if len(self._runs) > MOST:
                self._runs.popitem(last=False)
            return watched


def watched(request: HTTPConnection, run: "RunHandle") -> WatchedRun:
    """Return what the app that answers a request knows of a run."""
    found = request.app.state.watched
    assert isinstance(found, WatchedRuns)
    return found.of(run)
