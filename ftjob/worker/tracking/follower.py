"""Sends what a stage of a run records to a sink, in a thread: no sink can stop or slow a training.

The files of metrics are the queue. Where a sink fails, nothing is lost: once it is well again, it is opened
anew and given all lines from the first.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Protocol, Self

from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.worker.tracking.added_lines import AddedLines

TICK_SECONDS = 2.0
"""Between two looks for new lines."""
LONGEST_PAUSE = 30.0
"""Between two tries of a sink that fails; the first pause is a tick, each further one twice as long."""
MOST_LINES = 200
"""Lines that a sink is given at a time."""


class Sink(Protocol):
    """Takes a run's metrics. Whatever it raises is logged and ends nothing."""

    @property
    def title(self) -> str:
        """Its name in the log."""
        ...

    def open(self) -> None:
        """Begin, or begin again after a failure."""
        ...

    def add(self, train: Sequence[TrainLine], tests: Sequence[TestLine]) -> None:
        """Take the next lines, in order."""
        ...

    def close(self) -> None:
        """Take no more."""
        ...

    def explain(self, error: Exception) -> str:
        """Return as one line what went wrong, without secrets."""
        ...


def within(seconds: float, call: Callable[[], None], name: str) -> bool:
    """Call a function in a thread, and return whether it ended in so many seconds; it handles its errors."""
    thread = threading.Thread(target=call, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


class Follower:
    """Follows the metrics in a folder from the first line to the last."""

    def __init__(
        self, sink: Sink, folder: RunFolder, log: Callable[[str], None], tick_seconds: float = TICK_SECONDS
    ) -> None:
        self._sink, self._folder, self._log, self._tick = sink, folder, log, tick_seconds
        self._ending = threading.Event()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name=sink.title, daemon=True)

    def start(self) -> Self:
        """Start the thread; once only."""
        self._thread.start()
        return self

    def close(self, patience_seconds: float) -> None:
        """Send what is there by now, for so many seconds at most."""
        self._ending.set()
        self._thread.join(patience_seconds)
        if self._thread.is_alive():
            self._log(
                f"{self._sink.title} did not take everything in {patience_seconds:g} s: the run goes on"
            )

    def _work(self) -> None:
        pause = self._tick
        while not self._follow():
            self._ending.wait(pause)
            if self._ending.is_set():
                self._follow()  # a last try
                return
            pause = min(2 * pause, LONGEST_PAUSE)

    def _follow(self) -> bool:
        """Send lines until the end, and return True; False where the sink fails."""
        try:
            self._sink.open()
            train = AddedLines(TrainLine, self._folder.train_metrics)
            tests = AddedLines(TestLine, self._folder.test_metrics)
            while True:
                is_last = self._ending.is_set()  # what was written before is read below
                while lines := (train.take(MOST_LINES), tests.take(MOST_LINES)):
                    if not any(lines):
                        break
                    self._sink.add(*lines)
                    self._is_well()
                if is_last:
                    self._sink.close()
                    return True
                self._ending.wait(self._tick)
        except Exception as error:  # noqa: BLE001 - nobody's server or disk is worth a training
            self._fails(error)
            return False

    def _fails(self, error: Exception) -> None:
        """Log a failure, unless the time before was one as well."""
        if not self._failed:
            self._failed = True
            self._log(f"{self._sink.title}: {self._sink.explain(error)}: training continues")

    def _is_well(self) -> None:
        if self._failed:
            self._failed = False
            self._log(f"{self._sink.title}: is well again")
