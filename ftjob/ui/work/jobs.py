"""Work that takes longer than a request: one after the other, each asked after by its id."""

import secrets
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from starlette.exceptions import HTTPException

T = TypeVar("T")
KEPT = 32
"""Of one kind, with their results; the oldest goes first."""
MOST_WAITING = 8
BUSY = f"{MOST_WAITING} others are waiting already: try again when some of them are done"
GONE = "this is no longer here: begin again"

Report = Callable[[str], None]
"""Receives how far the work is, in words."""


class Job(Generic[T]):
    """Work under way, or its result."""

    def __init__(self, asked: str) -> None:
        self.asked = asked
        """What it is about: a place, or the text of a spec."""
        self.id = secrets.token_urlsafe(12)
        """Nobody guesses it."""
        self.progress = "waiting for others"
        self._done = threading.Event()
        self._result: T | None = None
        self._error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self._done.is_set()

    def result(self) -> T:
        """Return the result of a job that is done, or raise what it ended with."""
        assert self.is_done, "asked for the result of a job that is under way"
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def run(self, work: Callable[[Report], T], turn: threading.Semaphore) -> None:
        """Do the work when it is its turn."""
        with turn:
            try:
                self.progress = "beginning"
                self._result = work(self._report)
            except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
                self._error = error
            finally:
                self._done.set()

    def _report(self, progress: str) -> None:
        self.progress = progress


class Jobs(Generic[T]):
    """The jobs of one kind, newest last."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job[T]] = {}
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(1)

    def start(self, asked: str, work: Callable[[Report], T]) -> Job[T]:
        """Begin work in a thread, which ends with the process. Raises HTTPException, 503, where many wait."""
        job: Job[T] = Job(asked)
        with self._lock:
            if sum(not each.is_done for each in self._jobs.values()) > MOST_WAITING:
                raise HTTPException(503, BUSY)
            self._jobs[job.id] = job
            done = [each for each in self._jobs.values() if each.is_done]
            for each in done[: max(0, len(self._jobs) - KEPT)]:
                del self._jobs[each.id]
        threading.Thread(target=job.run, args=(work, self._turn), daemon=True).start()
        return job

    def find(self, identity: str) -> Job[T]:
        """Return a job. Raises HTTPException, 404, where it is not here, or no longer."""
        job = self._jobs.get(identity)
        if job is None:
            raise HTTPException(404, GONE)
        return job
