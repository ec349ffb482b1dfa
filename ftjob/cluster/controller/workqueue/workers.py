"""The threads that reconcile what is in the queue: one that fails does not stop the next."""

import threading
import time
from collections.abc import Callable

from ftjob.cluster.controller.apiserver import GoneError
from ftjob.cluster.controller.faults import EXITS, described
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ERRORS, QUEUED, RECONCILE
from ftjob.cluster.controller.workqueue.queue import WorkQueue

STUCK_SECONDS = 120.0
CLOSING_SECONDS = 10.0


class Workers:
    """A number of threads, each of which reconciles one object at a time."""

    def __init__(self, queue: WorkQueue, reconcile: Callable[[str], None], count: int) -> None:
        self._queue, self._reconcile, self._count = queue, reconcile, count
        self._threads: list[threading.Thread] = []
        self._since: dict[str, float] = {}
        """When the reconcile of each key began."""
        self._stopping = False

    def start(self) -> None:
        """Start the threads."""
        for number in range(self._count):
            thread = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Wait for the reconciles under way; the queue is closed."""
        self._stopping = True
        deadline = time.monotonic() + CLOSING_SECONDS
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def dead(self) -> int:
        """Return how many threads died."""
        return 0 if self._stopping else len(self._threads) - self.alive()

    def alive(self) -> int:
        """Return how many threads are alive."""
        return sum(thread.is_alive() for thread in self._threads)

    def stuck(self) -> int:
        """Return how many reconciles take longer than STUCK_SECONDS."""
        return sum(time.monotonic() - begin > STUCK_SECONDS for begin in list(self._since.values()))

    def _work(self) -> None:
        while (taken := self._queue.get()) is not None:
            key, waited = taken
            self._since[key] = time.monotonic()
            try:
                QUEUED.observe(waited)
                with RECONCILE.time():
                    self._reconcile(key)
                self._queue.forget(key)
            except GoneError:
                self._queue.forget(key)
            except EXITS:
                raise
            except BaseException as error:  # noqa: BLE001 one object's error, even a panic, is not the others'
                self._queue.add_rate_limited(key)
                ERRORS.labels(type(error).__name__).inc()
                log("reconcile failed", job=key, error=described(error))
            finally:
                self._since.pop(key, None)
                self._queue.done(key)
