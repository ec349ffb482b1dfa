"""The contents of a run's folder while it is watched, read again now and then."""

import time
from typing import TYPE_CHECKING

from ftjob.errors import FtjobError
from ftjob.runfolder.status import Status

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle
    from ftjob.report.facts import Facts

FACTS_SECONDS = 3.0
"""Between two looks at a run's metrics, at least."""


class LatestFacts:
    """A run's facts, some seconds old at most while it runs."""

    def __init__(self, run: "RunHandle") -> None:
        self._run = run
        self._due = 0.0
        self._of: Status | None = None
        self.facts: Facts | None = None
        self.problem = ""
        """Why they cannot be read."""

    def refresh(self, status: Status) -> None:
        """Read them if it is time, and the run has changed; what takes longer is done less often."""
        begin = time.monotonic()
        is_new = status != self._of or bool(self.problem)
        if not is_new or (begin < self._due and not status.state.ended):
            return
        try:
            self.facts, self.problem = self._run.facts(), ""
        except FtjobError as error:
            self.problem = str(error)
        took = time.monotonic() - begin
        self._of, self._due = status, begin + took + max(FACTS_SECONDS, 10 * took)
