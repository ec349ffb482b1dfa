"""Events, told in the background: who looks at the next object does not wait until they are written."""

from concurrent.futures import ThreadPoolExecutor, wait

from ftjob.cluster.controller.api import Api, GoneError
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.faults import EXITS, described
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.metrics import ERRORS
from ftjob.cluster.policy.actions import RecordEvent
from ftjob.cluster.resource.objects import FineTune

EVENT_WRITERS = 2
"""Few, as nobody waits for them: what the API server can do is for those who wait."""
CLOSING_SECONDS = 5.0


class Events:
    """Tells of changes where `kubectl describe` shows them; the status says the same, and is what counts."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._pool = ThreadPoolExecutor(EVENT_WRITERS, thread_name_prefix="events")

    def record(self, job: FineTune, action: RecordEvent) -> None:
        """Tell of a change that is now. One that cannot be written is logged, and not tried again."""
        self._pool.submit(self._write, job, action, self._clock.now())

    def close(self) -> None:
        """Return when everything was told, or some seconds were not enough for that."""
        last = self._pool.submit(lambda: None)
        wait([last], timeout=CLOSING_SECONDS)
        self._pool.shutdown(cancel_futures=True)

    def _write(self, job: FineTune, action: RecordEvent, now: float) -> None:
        try:
            self._api.record_event(job, action, now)
        except GoneError:
            pass  # and who would read it is, too
        except EXITS:
            raise
        except BaseException as error:  # noqa: BLE001 the pool would keep it to itself
            ERRORS.labels("event").inc()
            log("an event could not be written", job=job.key, error=described(error))
