"""Records Events in the background, so that no reconcile waits for them."""

from concurrent.futures import ThreadPoolExecutor, wait

from ftjob.cluster.controller.apiserver import Api, GoneError
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.faults import EXITS, described
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ERRORS
from ftjob.cluster.policy.actions import RecordEvent
from ftjob.cluster.resource.objects import FineTune

EVENT_WRITERS = 2
"""Few, as nothing waits for them: the API server's capacity belongs to the reconciles."""
CLOSING_SECONDS = 5.0


class Events:
    """Records Events for `kubectl describe`; the status has the same content and is what counts."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._pool = ThreadPoolExecutor(EVENT_WRITERS, thread_name_prefix="events")

    def record(self, job: FineTune, action: RecordEvent) -> None:
        """Record a change that happens now. An Event that cannot be written is logged and dropped."""
        self._pool.submit(self._write, job, action, self._clock.now())

    def close(self) -> None:
        """Wait until every Event is written, at most CLOSING_SECONDS."""
        last = self._pool.submit(lambda: None)
        wait([last], timeout=CLOSING_SECONDS)
        self._pool.shutdown(cancel_futures=True)

    def _write(self, job: FineTune, action: RecordEvent, now: float) -> None:
        try:
            self._api.record_event(job, action, now)
        except GoneError:
            pass  # nobody is left to read it
        except EXITS:
            raise
        except BaseException as error:  # noqa: BLE001 the pool would keep it to itself
            ERRORS.labels("event").inc()
            log("an event could not be written", job=job.key, error=described(error))
