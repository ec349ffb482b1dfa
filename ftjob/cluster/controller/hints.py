"""Warning Events about Jobs and pods that do not start; listed only where nothing else explains it."""

import re
import threading
from collections.abc import Iterable

from ftjob.cluster.controller.apiserver import Api
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod

PATIENCE_SECONDS = 4.0
"""How long a Job may take to make its pod, and a kubelet to start it, before Events are listed."""
EVERY_SECONDS = 3.0
"""Between two lists of a namespace's warnings, however many of its objects wait."""
About = tuple[str, str]
"""Kind and name of what an Event is about."""


class Hints:
    """The newest warning about what a FineTuneJob waits for."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}
        self._warnings: dict[str, dict[About, str]] = {}

    def get(self, key: str, jobs: list[AttemptJob], pods: list[Pod]) -> dict[str, str]:
        """Return the newest warning by the name of the Job or pod that waits, where there is one."""
        stuck = self._stuck(jobs, pods)
        if stuck is None:
            return {}
        warning = self._warnings_of(key.partition("/")[0]).get(stuck)
        return {stuck[1]: warning} if warning else {}

    def _warnings_of(self, namespace: str) -> dict[About, str]:
        """Return a namespace's warnings; while another thread lists them, the previous ones."""
        now = self._clock.now()
        with self._lock:
            before = self._warnings.get(namespace, {})
            if now - self._asked.get(namespace, float("-inf")) < EVERY_SECONDS:
                return before
            self._asked[namespace] = now
        warnings = newest(self._api.warnings(namespace))
        with self._lock:
            self._warnings[namespace] = warnings
        return warnings

    def _stuck(self, jobs: list[AttemptJob], pods: list[Pod]) -> About | None:
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


def newest(events: Iterable[Object]) -> dict[About, str]:
    """Return the message of the newest Event about each object that may explain why it waits."""
    in_order = sorted(events, key=lambda each: each.get("lastTimestamp") or "")
    return {
        (of.get("kind", ""), of.get("name", "")): str(each.get("message", ""))
        for each in in_order
        if not _explains_nothing(each)
        for of in [each.get("involvedObject") or {}]
    }


def _explains_nothing(event: Object) -> bool:
    """Whether it is the scheduler's, whose pod has a node by now, or repeats the reason for which a container
    waits: `Error: ImagePullBackOff` follows the Event that has the cause."""
    echo = re.fullmatch(r"Error: \w+", str(event.get("message", "")))
    return event.get("reason") == "FailedScheduling" or echo is not None
