"""Counts records as they are read, with speed and time left."""

import time
from collections.abc import Callable

from ftjob.dataset.build_options import DataProgress

REPORT_SECONDS = 0.1


class RecordCount:
    """Counts records, over several datasets where there are more, and reports now and then."""

    def __init__(self, total: int, progress: Callable[[DataProgress], None]) -> None:
        self._total, self._progress, self._done = total, progress, 0
        self._began = self._reported = time.monotonic()

    def add(self) -> None:
        """Count a record."""
        self._done += 1
        now = time.monotonic()
        if now - self._reported > REPORT_SECONDS or self._done == self._total:
            self._reported = now
            speed = self._done / max(now - self._began, 1e-9)
            self._progress(
                DataProgress(self._done, self._total, speed, (self._total - self._done) / speed, 0)
            )
