"""The controller's health: whether its informers get answers and its workers make progress."""

from ftjob.cluster.controller.cache.informers import Informers
from ftjob.cluster.controller.serving.prometheus import SILENT, STUCK, UNREADABLE, WAITING, WORKERS
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.controller.workqueue.workers import Workers

DEAF_SECONDS = 300.0
"""A leader without an answer about a kind of object for so long is not doing its work."""


class Health:
    """What is wrong with a controller, by its parts; a standby is healthy."""

    def __init__(self, informers: Informers, queue: WorkQueue, workers: Workers) -> None:
        self._informers, self._queue, self._workers = informers, queue, workers
        self._leading, self._listening, self._broken = False, False, ""

    def leads(self) -> None:
        """Note that this controller acts from now on."""
        self._leading = True

    def listens(self) -> None:
        """Note that its informers have synced."""
        self._listening = True

    def broke(self, error: BaseException) -> None:
        """Note that it could not start."""
        self._broken = f"it could not start its informers ({type(error).__name__})"

    def unhealthy(self) -> str:
        """Return what is wrong, in one line; empty where all is well."""
        deaf = [each.resource for each in self._informers.each() if each.silent > DEAF_SECONDS]
        found = (
            self._broken,
            f"the API server sent nothing about {', '.join(deaf)} for {DEAF_SECONDS:.0f} s" if deaf else "",
            f"{dead} worker threads died" if (dead := self._workers.dead()) else "",
            f"{stuck} reconciles are stuck" if (stuck := self._workers.stuck()) else "",
        )
        return "; ".join(filter(None, found))

    def unready(self) -> str:
        """Return why this controller could not act; a standby is ready."""
        deaf = "the informers have not synced yet" if self._leading and not self._listening else ""
        return "; ".join(filter(None, (deaf, self.unhealthy())))

    def measure(self) -> None:
        """Bring the gauges up to date."""
        for each in self._informers.each():
            SILENT.labels(each.resource).set(each.silent)
            UNREADABLE.labels(each.resource).set(each.unreadable)
        WORKERS.set(self._workers.alive())
        STUCK.set(self._workers.stuck())
        WAITING.set(len(self._queue))
