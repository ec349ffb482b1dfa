"""Looks into stores and plans, in threads of their own: a slow store delays nobody else."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ftjob.cluster.case import Trouble
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.logs import log
from ftjob.cluster.controller.metrics import ERRORS
from ftjob.cluster.enlist import read_run
from ftjob.cluster.figures import figures_of
from ftjob.cluster.request import Request
from ftjob.cluster.status import Figures
from ftjob.errors import FtjobError, StorageError
from ftjob.prepare import Context, absolute, prepare
from ftjob.status import Status
from ftjob.storage import DamagedError, MissingError

READERS, PLANNERS = 8, 2
PAUSE_SECONDS = 5.0
"""Between two tries of what went wrong."""
NO_PICTURES = (
    "data.train: a folder of images is made into a dataset first, for which this controller lacks {package}: "
    "make it with `ftjob data build` and name that, or submit with `ftjob submit`"
)
Concern = Callable[[str], None]


@dataclass(frozen=True)
class Reading:
    """What a run's folder said, and when it was asked."""

    folder: str
    asked: float
    run: Status | Trouble | None


class RunReader:
    """Reads status.json in the background, and has the object looked at when it is there."""

    def __init__(self, concern: Concern, clock: Clock) -> None:
        self._concern, self._clock = concern, clock
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="run-reader")
        self._lock = threading.Lock()
        self._readings: dict[str, Reading] = {}
        self._asking: set[str] = set()

    def get(self, key: str, folder: str, since: float) -> Reading | None:
        """Return what a run's folder said; ask it again where that was before `since`."""
        with self._lock:
            known = self._readings.get(key)
            known = known if known and known.folder == folder else None
            if known and isinstance(known.run, Trouble):
                since = max(since, self._clock.now() - PAUSE_SECONDS)
            if (known is None or known.asked < since) and key not in self._asking:
                self._asking.add(key)
                self._pool.submit(self._read, key, folder)
            return known

    def forget(self, key: str) -> None:
        """Remember nothing of an object that is gone."""
        with self._lock:
            self._readings.pop(key, None)

    def _read(self, key: str, folder: str) -> None:
        asked = self._clock.now()
        try:
            run: Status | Trouble | None = read_run(folder)
        except FtjobError as error:
            run = Trouble(error.reason, str(error), passing=True)
        with self._lock:
            self._readings[key] = Reading(folder, asked, run)
            self._asking.discard(key)
        self._concern(key)


class Planner:
    """Plans runs in the background: their net, weights and data are read as the worker will read them."""

    def __init__(self, concern: Concern) -> None:
        self._concern = concern
        self._pool = ThreadPoolExecutor(PLANNERS, thread_name_prefix="planner")
        self._lock = threading.Lock()
        self._plans: dict[str, tuple[str, Figures | Trouble]] = {}
        self._at: set[str] = set()
        self._not_before: dict[str, float] = {}

    def get(self, key: str, identity: str) -> Figures | Trouble | None:
        """Return the plan of an object whose spec has that identity."""
        with self._lock:
            of, planned = self._plans.get(key, ("", None))
            return planned if of == identity else None

    def plan(self, key: str, request: Request, context: Context) -> None:
        """Begin to plan, unless that is under way, or failed a moment ago."""
        with self._lock:
            if key in self._at or time.monotonic() < self._not_before.get(key, 0.0):
                return
            self._at.add(key)
            self._not_before[key] = time.monotonic() + PAUSE_SECONDS
        self._pool.submit(self._plan, key, request, context)

    def forget(self, key: str) -> None:
        """Remember nothing of an object that is gone."""
        with self._lock:
            self._plans.pop(key, None)
            self._not_before.pop(key, None)

    def _plan(self, key: str, request: Request, context: Context) -> None:
        try:
            planned: Figures | Trouble = plan_request(request, context)
        except FtjobError as error:
            passing = isinstance(error, StorageError) and not isinstance(error, MissingError | DamagedError)
            planned = Trouble(error.reason, str(error), passing=passing)
        except ModuleNotFoundError as error:
            planned = Trouble("NotPlanned", NO_PICTURES.format(package=error.name))
        except Exception as error:  # noqa: BLE001 said in the status; the controller goes on with other objects
            ERRORS.labels("plan").inc()
            log("plan failed", job=key, error=repr(error))
            planned = Trouble("InternalError", f"planning failed unforeseen ({error!r}): please report it")
        with self._lock:
            self._plans[key] = (request.identity, planned)
            self._at.discard(key)
        self._concern(key)


def plan_request(request: Request, context: Context) -> Figures | Trouble:
    """Plan what is asked for; trouble where it fits neither node nor budget. Raises FtjobError."""
    plan = prepare(absolute(request.spec, context), context)
    if plan.problems:
        poor = plan.problems == (plan.too_poor,)
        return Trouble("BudgetTooSmall" if poor else "DoesNotFit", " ".join(plan.problems))
    return figures_of(plan.to_json())
