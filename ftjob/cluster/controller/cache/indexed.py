"""The controller's cache of the cluster, by FineTuneJob: what its informers received."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.informers import Informers, NamespaceBudget
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.resource.member import SweepMember
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod, read_job

T = TypeVar("T", AttemptJob, Pod)
EXPECTED_SECONDS = 10.0
"""How long a Job that was just created is assumed to exist before its informer has it."""
REMEMBERED_SECONDS = 120.0
"""How long a pod that ended and was deleted at once stays visible, so that its end is accounted."""
TO_BEGIN, UNDER_WAY, ENDED = 0.0, 2.0, 30.0
"""How many seconds a reconcile may let others go first: of a new run, one under way, one that ended."""


class Cache:
    """FineTuneJobs, and their Jobs and pods, as last received; every change enqueues its FineTuneJob."""

    def __init__(self, enqueue: Callable[[str], None], clock: Clock) -> None:
        self._enqueue, self._clock = enqueue, clock
        self._lock = threading.Lock()
        self._cached: dict[str, CachedJob] = {}
        self._waiting: dict[str, dict[str, str]] = defaultdict(dict)
        self._members: dict[str, dict[str, SweepMember]] = defaultdict(dict)
        self._jobs: dict[str, dict[str, AttemptJob]] = defaultdict(dict)
        self._pods: dict[str, dict[str, Pod]] = defaultdict(dict)
        self._expected: dict[str, dict[str, tuple[float, AttemptJob]]] = defaultdict(dict)
        self._gone: dict[str, dict[str, tuple[float, Pod]]] = defaultdict(dict)
        self._budgets: dict[str, Mapping[str, str]] = {}

    def start(self, of: Informers) -> None:
        """Start the informers; return once all have synced, children before their FineTuneJobs."""
        of.pods.start(self._pod_changed, self._pod_gone)
        of.jobs.start(self._job_changed, self._job_gone)
        of.budgets.start(self._budget_changed, self._budget_gone)
        for synced in (of.pods.synced, of.jobs.synced, of.budgets.synced):
            synced.wait()
        of.fine_tunes.start(self._changed, self._deleted)
        of.fine_tunes.synced.wait()

    def item(self, key: str) -> Object | None:
        """Return a FineTuneJob as last received or written; None when it is gone."""
        with self._lock:
            cached = self._cached.get(key)
        return cached.item() if cached else None

    def patience(self, key: str) -> float:
        """Return how many seconds a FineTuneJob's reconcile may let others go first."""
        with self._lock:
            cached = self._cached.get(key)
        if cached is None or not cached.ended:
            return UNDER_WAY if cached is None or cached.begun else TO_BEGIN
        return ENDED

    def states(self) -> Counter[str]:
        """Return how many FineTuneJobs are in each state."""
        with self._lock:
            return Counter(cached.state for cached in self._cached.values())

    def usd(self) -> float:
        """Return what all of them have cost."""
        with self._lock:
            return sum(cached.usd for cached in self._cached.values())

    def cached_jobs(self, namespace: str) -> list[CachedJob]:
        """Return the FineTuneJobs of a namespace as last received or written."""
        with self._lock:
            return [cached for cached in self._cached.values() if cached.namespace == namespace]

    def budget(self, namespace: str) -> Mapping[str, str] | None:
        """Return the data of a namespace's budget; None where it has none."""
        with self._lock:
            return self._budgets.get(namespace)

    def waiting(self, namespace: str) -> list[str]:
        """Return the FineTuneJobs that wait for their namespace's budget, the oldest first."""
        with self._lock:
            waits = self._waiting.get(namespace, {})
            return sorted(waits, key=lambda key: (waits[key], key))

    def members(self, key: str) -> dict[str, SweepMember]:
        """Return the FineTuneJobs that name a sweep as theirs, by name."""
        with self._lock:
            return dict(self._members.get(key, {}))

    def jobs(self, key: str) -> list[AttemptJob]:
        """Return the Jobs of a FineTuneJob, including Jobs created a moment ago."""
        with self._lock:
            now = self._clock.now()
            expected = {
                name: job for name, (until, job) in self._expected.get(key, {}).items() if until > now
            }
            return list({**expected, **self._jobs.get(key, {})}.values())

    def pods(self, key: str) -> list[Pod]:
        """Return the pods of a FineTuneJob, including pods that ended and were deleted a moment ago."""
        with self._lock:
            now = self._clock.now()
            lately = {name: pod for name, (until, pod) in self._gone.get(key, {}).items() if until > now}
            return list({**lately, **self._pods.get(key, {})}.values())

    def assume_status(self, item: Object) -> None:
        """Assume what a write returned, so that the next reconcile does not see the state before it."""
        cached = CachedJob.of(item)
        news = ""
        with self._lock:
            if cached.key in self._cached:
                news = self._keep(cached)
        if news:
            self._enqueue(news)

    def assume_job(self, item: Object) -> None:
        """Assume a Job that was just created, so that it is not created again before its informer has it."""
        job = read_job(item)
        if job.of:
            with self._lock:
                self._expected[job.of][job.name] = (self._clock.now() + EXPECTED_SECONDS, job)

    def resync(self) -> None:
        """Enqueue every run that has not ended: a safeguard in case a change was missed."""
        with self._lock:
            self._forget_what_ran_out()
            keys = [key for key, cached in self._cached.items() if not cached.ended]
        for key in keys:
            self._enqueue(key)

    def _forget_what_ran_out(self) -> None:
        now = self._clock.now()
        self._expected = _lasting(self._expected, now)
        self._gone = _lasting(self._gone, now)

    def _keep(self, cached: CachedJob) -> str:
        """Cache an object; return the sweep for which that is news, to enqueue once the lock is released."""
        self._cached[cached.key] = cached
        news = ""
        if cached.member is not None:
            members, name = self._members[cached.sweep], cached.key.partition("/")[2]
            news = cached.sweep if cached.member.differs(members.get(name)) else ""
            members[name] = cached.member
        if cached.waits:
            self._waiting[cached.namespace][cached.key] = cached.created
        else:
            self._waiting[cached.namespace].pop(cached.key, None)
        return news

    def _changed(self, cached: CachedJob) -> None:
        news = ""
        with self._lock:
            known = self._cached.get(cached.key)
            if known is None or known.version <= cached.version or known.uid != cached.uid:
                news = self._keep(cached)
        if known is None or known.version != cached.version:  # else it is our own write, or a new list
            self._enqueue(cached.key)
        if news:
            self._enqueue(news)

    def _deleted(self, cached: CachedJob) -> None:
        with self._lock:
            self._waiting[cached.namespace].pop(cached.key, None)
            for memory in (self._cached, self._gone, self._expected):
                memory.pop(cached.key, None)
            if cached.sweep in self._members:
                self._members[cached.sweep].pop(cached.key.partition("/")[2], None)
                if not self._members[cached.sweep]:
                    del self._members[cached.sweep]
        self._enqueue(cached.key)
        if cached.sweep:
            self._enqueue(cached.sweep)

    def _budget_changed(self, budget: NamespaceBudget) -> None:
        self._budget_is(budget.namespace, budget.data)

    def _budget_gone(self, budget: NamespaceBudget) -> None:
        self._budget_is(budget.namespace, None)

    def _budget_is(self, namespace: str, data: Mapping[str, str] | None) -> None:
        with self._lock:
            before = self._budgets.pop(namespace, None)
            if data is not None:
                self._budgets[namespace] = data
        if data != before:
            for key in self.waiting(namespace):
                self._enqueue(key)

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
                self._enqueue(value.of)

    def _drop(self, index: dict[str, dict[str, T]], value: T) -> None:
        if value.of:
            with self._lock:
                index[value.of].pop(value.name, None)
                if not index[value.of]:
                    del index[value.of]
            self._enqueue(value.of)


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
    """Return a pod that is gone as one that is over, whatever its last phase was."""
    if pod.over:
        return pod
    return replace(pod, phase="Failed" if pod.exit_code else "Succeeded")
