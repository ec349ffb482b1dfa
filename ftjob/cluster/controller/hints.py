"""What Events say of Jobs and pods that do not start; asked only where nothing else tells."""

import threading

from ftjob.cluster.controller.api import Api
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.objects import AttemptJob, Pod

PATIENCE_SECONDS = 4.0
"""How long a Job may take to make its pod, and a kubelet to start it, before anybody asks why."""
EVERY_SECONDS = 10.0


class Hints:
    """The newest warning about what a FineTuneJob waits for."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, str, str]] = {}

    def get(self, key: str, jobs: list[AttemptJob], pods: list[Pod]) -> dict[str, str]:
        """Return the newest warning by the name of the Job or pod that waits, where there is one."""
        stuck = self._stuck(jobs, pods)
        if stuck is None:
            self.forget(key)
            return {}
        kind, name = stuck
        now = self._clock.now()
        with self._lock:
            asked, about, said = self._known.get(key, (0.0, "", ""))
        if about != name or now - asked > EVERY_SECONDS:
            said = self._api.last_warning(key.partition("/")[0], kind, name)
            with self._lock:
                self._known[key] = (now, name, said)
        return {name: said} if said else {}

    def forget(self, key: str) -> None:
        """Remember nothing of an object that waits no longer."""
        with self._lock:
            self._known.pop(key, None)

    def _stuck(self, jobs: list[AttemptJob], pods: list[Pod]) -> tuple[str, str] | None:
        """Return the Job without a pod, or the pod without a running container, that took too long."""
        before = self._clock.now() - PATIENCE_SECONDS
        have = {pod.job for pod in pods}
        for job in jobs:
            if job.finished is None and not job.deleted and job.name not in have and job.created < before:
                return "Job", job.name
        for pod in pods:
            waits = pod.scheduled is not None and not pod.running and pod.ended is None and not pod.over
            if waits and pod.created < before:
                return "Pod", pod.name
        return None
