"""Laws of what follows a run's metrics: every line once and in order, and no failure but in the log."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records import metrics
from ftjob.worker.tracking import follower
from ftjob.worker.tracking.follower import Follower

TICK = 0.01
SECONDS = 20.0
"""That a busy machine may take."""


class Collector:
    """A sink that keeps what it is given, and fails while a test wants it to."""

    title = "the collector"

    def __init__(self, fails: Callable[[], bool] = lambda: False) -> None:
        self.fails, self.opened = fails, 0
        self.train: list[int] = []
        self.tests: list[int] = []

    def open(self) -> None:
        self.opened += 1
        self.train, self.tests = [], []
        self._check()

    def add(self, train: Sequence[metrics.TrainLine], tests: Sequence[metrics.TestLine]) -> None:
        self._check()
        self.train += [line.iteration for line in train]
        self.tests += [line.iteration for line in tests]

    def close(self) -> None:
        self._check()

    def explain(self, error: Exception) -> str:
        return f"is not well ({error})"

    def _check(self) -> None:
        if self.fails():
            raise OSError("full")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run's folder without metrics."""
    (tmp_path / "metrics").mkdir()
    return RunFolder(tmp_path)


def write(folder: RunFolder, iterations: range) -> None:
    """Record iterations."""
    with folder.train_metrics.open("a") as file:
        for at in iterations:
            file.write(metrics.line_text(metrics.TrainLine(at, 1.0, 0.1, 0.1, {})))


def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not seen():
        assert time.monotonic() < end
        time.sleep(TICK)


def test_a_sink_gets_every_line_once_while_they_are_written(folder: RunFolder) -> None:
    """A line without its end is not one yet; what is there at the end is sent before it ends."""
    sink, log = Collector(), list[str]()
    following = Follower(sink, folder, log.append, TICK).start()
    write(folder, range(1, 500))
    until(lambda: sink.train == list(range(1, 500)))
    with folder.train_metrics.open("a") as file:
        file.write('{"iteration": 500, "loss"')
        file.flush()
        time.sleep(5 * TICK)
        file.write(': 1.0, "learning_rate": 0.1, "seconds": 0.1, "outputs": {}}\n')
    following.close(SECONDS)

    assert sink.train == list(range(1, 501))
    assert (sink.opened, log) == (1, [])


def test_a_sink_that_fails_is_logged_once_and_gets_everything_when_it_is_well(folder: RunFolder) -> None:
    """It begins anew, since nobody knows how much of what failed it has."""
    failing, log = threading.Event(), list[str]()
    sink = Collector(failing.is_set)
    following = Follower(sink, folder, log.append, TICK).start()
    write(folder, range(1, 10))
    until(lambda: len(sink.train) == 9)
    failing.set()
    write(folder, range(10, 20))
    until(lambda: sink.opened > 3)
    failing.clear()
    until(lambda: len(sink.train) == 19)
    following.close(SECONDS)

    assert sink.train == list(range(1, 20))
    assert log == ["the collector: is not well (full): training continues", "the collector: is well again"]


def test_the_end_tries_a_failing_sink_a_last_time(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the pause between two tries has become."""
    monkeypatch.setattr(follower, "LONGEST_PAUSE", 1000.0)
    failing, log = threading.Event(), list[str]()
    failing.set()
    sink = Collector(failing.is_set)
    write(folder, range(1, 10))
    following = Follower(sink, folder, log.append, 1000.0).start()
    until(lambda: len(log) == 1)
    failing.clear()
    following.close(SECONDS)

    assert sink.train == list(range(1, 10))


def test_a_sink_that_hangs_delays_an_end_by_so_long_at_most(folder: RunFolder) -> None:
    """And the log names it."""
    hangs, log = threading.Event(), list[str]()
    write(folder, range(1, 10))
    sink = Collector(lambda: hangs.wait(SECONDS))
    following = Follower(sink, folder, log.append, TICK).start()
    begin = time.monotonic()
    following.close(0.1)
    took = time.monotonic() - begin
    hangs.set()

    assert took < SECONDS / 2
    assert log == ["the collector did not take everything in 0.1 s: the run goes on"]


def test_a_damaged_line_is_named(folder: RunFolder) -> None:
    """And nothing behind it is sent."""
    write(folder, range(1, 3))
    with folder.train_metrics.open("a") as file:
        file.write("{}\n")
    log = list[str]()
    Follower(Collector(), folder, log.append, TICK).start().close(SECONDS)

    assert len(log) == 1
    assert "iteration" in log[0]
