"""How a controller does: whether somebody listens, and looks at what was heard."""

from ftjob.cluster.controller.cache.sources import Informers
from ftjob.cluster.controller.serving.metrics import SILENT, STUCK, UNREADABLE, WAITING, WORKERS
from ftjob.cluster.controller.workqueue.lookers import Workers
from ftjob.cluster.controller.workqueue.queue import WorkQueue

DEAF_SECONDS = 300.0
"""A leader that has not heard of a kind of object for so long does not do its work."""


class Health:
    """What is wrong with a controller, by its parts; one that stands by is well."""

    def __init__(self, informers: Informers, queue: WorkQueue, workers: Workers) -> None:
        self._informers, self._queue, self._workers = informers, queue, workers
        self._leading, self._listening, self._broken = False, False, ""

    def leads(self) -> None:
        """Note that this controller acts from now on."""
        self._leading = True

    def listens(self) -> None:
        """Note that it has heard of everything once."""
        self._listening = True

    def broke(self, error: BaseException) -> None:
        """Note that it could not begin."""
        self._broken = f"it could not begin to listen ({type(error).__name__})"

    def unhealthy(self) -> str:
        """Say what is wrong, in one line; nothing where all is well."""
        deaf = [each.resource for each in self._informers.each() if each.silent > DEAF_SECONDS]
        found = (
            self._broken,
            f"nothing was heard of {', '.join(deaf)} for {DEAF_SECONDS:.0f} s" if deaf else "",
            f"{dead} threads that look are no more" if (dead := self._workers.dead()) else "",
            f"{stuck} looks are stuck" if (stuck := self._workers.stuck()) else "",
        )
        return "; ".join(filter(None, found))

    def unready(self) -> str:
        """Say why this controller could not act; one that stands by is ready to."""
        deaf = "the API server was not heard yet" if self._leading and not self._listening else ""
        return "; ".join(filter(None, (deaf, self.unhealthy())))

    def measure(self) -> None:
        """Bring the gauges up to date."""
        for each in self._informers.each():
            SILENT.labels(each.resource).set(each.silent)
            UNREADABLE.labels(each.resource).set(each.unreadable)
        WORKERS.set(self._workers.alive())
        STUCK.set(self._workers.stuck())
        WAITING.set(len(self._queue))
