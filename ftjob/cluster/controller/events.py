"""Events, told in the background: who looks at the next object does not wait until they are written."""

from concurrent.futures import ThreadPoolExecutor

from kubernetes.client import ApiException
from urllib3.exceptions import HTTPError

from ftjob.cluster.actions import RecordEvent
from ftjob.cluster.controller.api import Api, ConflictError
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.logs import log
from ftjob.cluster.controller.metrics import ERRORS
from ftjob.cluster.objects import FineTune

TELLERS = 4


class Events:
    """Tells of changes where `kubectl describe` shows them; the status says the same, and is what counts."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._pool = ThreadPoolExecutor(TELLERS, thread_name_prefix="events")

    def record(self, job: FineTune, action: RecordEvent) -> None:
        """Tell of a change that is now. One that cannot be written is logged, and not tried again."""
        self._pool.submit(self._write, job, action, self._clock.now())

    def close(self) -> None:
        """Return when everything was told."""
        self._pool.shutdown()

    def _write(self, job: FineTune, action: RecordEvent, now: float) -> None:
        try:
            self._api.record_event(job, action, now)
        except (ApiException, ConflictError, HTTPError) as error:
            ERRORS.labels("event").inc()
            log("an event could not be written", job=job.key, error=repr(error))
