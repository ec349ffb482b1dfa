"""What the sources have told, by FineTuneJob: the controller's picture of the cluster."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from ftjob.cluster.controller.cache.kept import Kept
from ftjob.cluster.controller.cache.sources import Budget, Sources
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod, read_job

T = TypeVar("T", AttemptJob, Pod)
EXPECTED_SECONDS = 10.0
"""A Job that was created is taken to be there for that long, or until it is heard of."""
REMEMBERED_SECONDS = 120.0
"""A pod that ended and was deleted at once is shown for that long, so that its end is accounted."""
TO_BEGIN, UNDER_WAY, ENDED = 0.0, 2.0, 30.0
"""How many seconds a look may let others go first: of a run to begin, one under way, and one that ended."""


class View:
    """FineTuneJobs, and their Jobs and pods, as last heard; whoever is concerned is told of every change."""

    def __init__(self, concern: Callable[[str], None], clock: Clock) -> None:
        self._concern, self._clock = concern, clock
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._waiting: dict[str, dict[str, str]] = defaultdict(dict)
        self._jobs: dict[str, dict[str, AttemptJob]] = defaultdict(dict)
        self._pods: dict[str, dict[str, Pod]] = defaultdict(dict)
        self._expected: dict[str, dict[str, tuple[float, AttemptJob]]] = defaultdict(dict)
        self._gone: dict[str, dict[str, tuple[float, Pod]]] = defaultdict(dict)
        self._budgets: dict[str, Mapping[str, str]] = {}

    def start(self, of: Sources) -> None:
        """Begin to listen; return when everything was heard once, children before those they belong to."""
        of.pods.start(self._pod_changed, self._pod_gone)
        of.jobs.start(self._job_changed, self._job_gone)
        of.budgets.start(self._budget_changed, self._budget_gone)
        for heard in (of.pods.heard, of.jobs.heard, of.budgets.heard):
            heard.wait()
        of.fine_tunes.start(self._changed, self._deleted)
        of.fine_tunes.heard.wait()

    def item(self, key: str) -> Object | None:
        """Return a FineTuneJob as it was last heard of, or written; None when it is gone."""
        with self._lock:
            kept = self._kept.get(key)
        return kept.item() if kept else None

    def patience(self, key: str) -> float:
        """Return how many seconds a look at a FineTuneJob may let others go first."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or not kept.ended:
            return UNDER_WAY if kept is None or kept.begun else TO_BEGIN
        return ENDED

    def states(self) -> Counter[str]:
        """Return how many FineTuneJobs are in each state."""
        with self._lock:
            return Counter(kept.state for kept in self._kept.values())

    def usd(self) -> float:
        """Return what all of them have cost."""
        with self._lock:
            return sum(kept.usd for kept in self._kept.values())

    def kept_of(self, namespace: str) -> list[Kept]:
        """Return the FineTuneJobs of a namespace as they were last heard of, or written."""
        with self._lock:
            return [kept for kept in self._kept.values() if kept.namespace == namespace]

    def budget(self, namespace: str) -> Mapping[str, str] | None:
        """Return what a namespace's budget says; None where it has none."""
        with self._lock:
            return self._budgets.get(namespace)

    def waiting(self, namespace: str) -> list[str]:
        """Return the FineTuneJobs that wait for their namespace's budget, the oldest first."""
        with self._lock:
            waits = self._waiting.get(namespace, {})
            return sorted(waits, key=lambda key: (waits[key], key))

    def jobs(self, key: str) -> list[AttemptJob]:
        """Return the Jobs of a FineTuneJob, those begun a moment ago among them."""
        with self._lock:
            now = self._clock.now()
            expected = {
                name: job for name, (until, job) in self._expected.get(key, {}).items() if until > now
            }
            return list({**expected, **self._jobs.get(key, {})}.values())

    def pods(self, key: str) -> list[Pod]:
        """Return the pods of a FineTuneJob, those that ended and went a moment ago among them."""
        with self._lock:
            now = self._clock.now()
            lately = {name: pod for name, (until, pod) in self._gone.get(key, {}).items() if until > now}
            return list({**lately, **self._pods.get(key, {})}.values())

    def written(self, item: Object) -> None:
        """Take over what a write returned, so that the next look does not see the time before it."""
        kept = Kept.of(item)
        with self._lock:
            if kept.key in self._kept:
                self._keep(kept)

    def begun(self, item: Object) -> None:
        """Take over a Job that was just created, so that it is not begun again before it is heard of."""
        job = read_job(item)
        if job.of:
            with self._lock:
                self._expected[job.of][job.name] = (self._clock.now() + EXPECTED_SECONDS, job)

    def remind(self) -> None:
        """Have everything looked at that has not ended: a safeguard, should ever a change be missed."""
        with self._lock:
            self._forget_what_ran_out()
            keys = [key for key, kept in self._kept.items() if not kept.ended]
        for key in keys:
            self._concern(key)

    def _forget_what_ran_out(self) -> None:
        now = self._clock.now()
        self._expected = _lasting(self._expected, now)
        self._gone = _lasting(self._gone, now)

    def _keep(self, kept: Kept) -> None:
        self._kept[kept.key] = kept
        if kept.waits:
            self._waiting[kept.namespace][kept.key] = kept.created
        else:
            self._waiting[kept.namespace].pop(kept.key, None)

    def _changed(self, kept: Kept) -> None:
        with self._lock:
            known = self._kept.get(kept.key)
            if known is None or known.version <= kept.version or known.uid != kept.uid:
                self._keep(kept)
        if known is None or known.version != kept.version:  # else it is our own write, or a new list
            self._concern(kept.key)

    def _deleted(self, kept: Kept) -> None:
        with self._lock:
            self._waiting[kept.namespace].pop(kept.key, None)
            for memory in (self._kept, self._gone, self._expected):
                memory.pop(kept.key, None)
        self._concern(kept.key)

    def _budget_changed(self, budget: Budget) -> None:
        self._budget_is(budget.namespace, budget.data)

    def _budget_gone(self, budget: Budget) -> None:
        self._budget_is(budget.namespace, None)

    def _budget_is(self, namespace: str, data: Mapping[str, str] | None) -> None:
        with self._lock:
            before = self._budgets.pop(namespace, None)
            if data is not None:
                self._budgets[namespace] = data
        if data != before:
            for key in self.waiting(namespace):
                self._concern(key)

    def _job_changed(self, job: AttemptJob) -> None:
        self._expect_no_more(job)
        self._put(self._jobs, job)

    def _job_gone(self, job: AttemptJob) -> None:
        self._expect_no_more(job)
        self._drop(self._jobs, job)

    def _expect_no_more(self, job: AttemptJob) -> None:
        with self._lock:
            self._expected.get(job.of or "", {}).pop(job.name, None)

    def _pod_changed(self, pod: Pod) -> None:
        self._put(self._pods, pod)

    def _pod_gone(self, pod: Pod) -> None:
        if pod.of and (pod.over or pod.ended is not None):
            with self._lock:
                self._gone[pod.of][pod.name] = (self._clock.now() + REMEMBERED_SECONDS, _over(pod))
        self._drop(self._pods, pod)

    def _put(self, index: dict[str, dict[str, T]], value: T) -> None:
        if value.of:
            with self._lock:
                news = index[value.of].get(value.name) != value
                index[value.of][value.name] = value
            if news:
                self._concern(value.of)

    def _drop(self, index: dict[str, dict[str, T]], value: T) -> None:
        if value.of:
            with self._lock:
                index[value.of].pop(value.name, None)
                if not index[value.of]:
                    del index[value.of]
            self._concern(value.of)


def _lasting(
    memory: dict[str, dict[str, tuple[float, T]]], now: float
) -> dict[str, dict[str, tuple[float, T]]]:
    lasting: dict[str, dict[str, tuple[float, T]]] = defaultdict(dict)
    for key, values in memory.items():
        for name, (until, value) in values.items():
            if until > now:
                lasting[key][name] = until, value
    return lasting


def _over(pod: Pod) -> Pod:
    """Return a pod that is gone: whatever its last phase was, nothing of it runs."""
    if pod.over:
        return pod
    return replace(pod, phase="Failed" if pod.exit_code else "Succeeded")
