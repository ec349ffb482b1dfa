"""Looks: whatever becomes of one, its key is looked at again, and the others are too."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from ftjob.cluster.controller.apiserver import GoneError
from ftjob.cluster.controller.workqueue import queue as queues
from ftjob.cluster.controller.workqueue import workers as module
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.controller.workqueue.workers import Workers

PATIENCE = 20.0


class Panic(BaseException):
    """As pyo3_runtime.PanicException: no Exception."""


class Looks:
    """What was looked at, with what comes of it the first time."""

    def __init__(self, first: BaseException | None = None, *, slow: str = "-") -> None:
        self.counts: Counter[str] = Counter()
        self._first, self._slow = first, slow
        self.over = threading.Event()

    def __call__(self, key: str) -> None:
        self.counts[key] += 1
        if key.startswith(self._slow):
            self.over.wait()
        if self._first and key.endswith("bad") and self.counts[key] == 1:
            raise self._first


Run = Callable[[Looks, int], tuple[WorkQueue, Workers]]


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts workers, which end with the test."""
    made: list[tuple[Looks, WorkQueue, Workers]] = []

    def start(looks: Looks, count: int) -> tuple[WorkQueue, Workers]:
        queue = WorkQueue(workers=count)
        workers = Workers(queue, looks, count)
        workers.start()
        made.append((looks, queue, workers))
        return queue, workers

    yield start
    for looks, queue, workers in made:
        looks.over.set()
        queue.close()
        workers.stop()


def wait_for(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("error", [ValueError("bad"), RecursionError(), Panic("panicked"), MemoryError()])
def test_an_error_is_its_keys_own(run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """It is looked at again after a while, and the thread goes on."""
    monkeypatch.setattr(queues, "RETRY_SECONDS", 0.01)
    looks = Looks(error)
    queue, workers = run(looks, 1)
    for key in ("team/bad", "team/good"):
        queue.add(key)
    wait_for(lambda: looks.counts == {"team/bad": 2, "team/good": 1})

    assert (workers.dead(), workers.alive()) == (0, 1)


def test_what_is_gone_is_not_looked_at_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The news of it is on its way."""
    monkeypatch.setattr(queues, "RETRY_SECONDS", 0.01)
    looks = Looks(GoneError("pods"))
    queue, _ = run(looks, 1)
    queue.add("team/bad")
    wait_for(lambda: looks.counts["team/bad"] == 1)
    queue.add_after("team/good", 0.1)
    wait_for(lambda: looks.counts["team/good"] == 1)

    assert looks.counts["team/bad"] == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_a_thread_is_known(run: Run) -> None:
    """And its key is free for another."""
    looks = Looks(SystemExit())
    queue, workers = run(looks, 2)
    queue.add("team/bad")
    wait_for(lambda: workers.dead() == 1)
    queue.add("team/bad")
    wait_for(lambda: looks.counts["team/bad"] == 2)


def test_a_look_that_does_not_end_is_known(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it does not."""
    looks = Looks(slow="slow")
    queue, workers = run(looks, 2)
    queue.add("slow/a")
    wait_for(lambda: looks.counts["slow/a"] == 1)
    assert workers.stuck() == 0
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.0)
    wait_for(lambda: workers.stuck() == 1)
    looks.over.set()
    wait_for(lambda: workers.stuck() == 0)


def test_a_namespace_whose_looks_are_slow_leaves_room(run: Run) -> None:
    """Half of the workers, and half of the rest to the next of its kind."""
    looks = Looks(slow="slow")
    queue, _ = run(looks, 8)
    for number in range(50):
        queue.add(f"slow/{number}")
    wait_for(lambda: len(looks.counts) == 4)
    for number in range(50):
        queue.add(f"slow-too/{number}")
        queue.add(f"quick/{number}")
    wait_for(lambda: sum(looks.counts[f"quick/{number}"] for number in range(50)) == 50)

    assert sum(key.startswith("slow/") for key in looks.counts) == 4
    assert sum(key.startswith("slow-too/") for key in looks.counts) == 2
