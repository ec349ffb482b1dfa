"""What the informers have told, by FineTuneJob: the controller's picture of the cluster."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from kubernetes import client

from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.watch import Source, start_informer
from ftjob.cluster.names import BUDGET_CONFIG_MAP, GROUP, LABEL_JOB, NAMESPACE_BUDGET, PLURAL, VERSION
from ftjob.cluster.objects import (
    AttemptJob,
    FineTune,
    Object,
    Pod,
    owner_of,
    read_fine_tune,
    read_job,
    read_pod,
)

T = TypeVar("T")
EXPECTED_SECONDS = 10.0
"""A Job that was created is taken to be there for that long, or until it is heard of."""
REMEMBERED_SECONDS = 120.0
"""A pod that ended and was deleted at once is shown for that long, so that its end is accounted."""


class View:
    """FineTuneJobs, and their Jobs and pods, as last heard; whoever is concerned is told of every change."""

    def __init__(self, concern: Callable[[str], None], clock: Clock, namespace: str | None = None) -> None:
        self._concern, self._clock = concern, clock
        self._lock = threading.Lock()
        self._items: dict[str, Object] = {}
        self._jobs: dict[str, dict[str, AttemptJob]] = defaultdict(dict)
        self._pods: dict[str, dict[str, Pod]] = defaultdict(dict)
        self._expected: dict[str, dict[str, tuple[float, AttemptJob]]] = defaultdict(dict)
        self._gone: dict[str, dict[str, tuple[float, Pod]]] = defaultdict(dict)
        self._budgets: dict[str, Mapping[str, str]] = {}
        self._sources = _sources(namespace)

    def start(self) -> None:
        """Begin to listen; return when everything was heard once, children before those they belong to."""
        jobs, pods, budgets, fine_tunes = self._sources
        start_informer(pods, self._pod_changed, self._pod_gone)
        start_informer(jobs, self._job_changed, self._job_gone)
        start_informer(budgets, self._budget_changed, self._budget_gone)
        for source in (pods, jobs, budgets):
            source.heard.wait()
        start_informer(fine_tunes, self._changed, self._deleted)
        fine_tunes.heard.wait()

    def item(self, key: str) -> Object | None:
        """Return a FineTuneJob as it was last heard of; None when it is gone."""
        with self._lock:
            return self._items.get(key)

    def fine_tunes(self) -> list[FineTune]:
        """Return every FineTuneJob."""
        with self._lock:
            items = list(self._items.values())
        return [read_fine_tune(item) for item in items]

    def items_of(self, namespace: str) -> list[Object]:
        """Return the FineTuneJobs of a namespace as they were last heard of, or written."""
        with self._lock:
            return [item for item in self._items.values() if item["metadata"]["namespace"] == namespace]

    def budget(self, namespace: str) -> Mapping[str, str] | None:
        """Return what a namespace's budget says; None where it has none."""
        with self._lock:
            return self._budgets.get(namespace)

    def waiting(self, namespace: str) -> list[str]:
        """Return the FineTuneJobs that wait for their namespace's budget, the oldest first."""
        waits = [
            (item["metadata"]["creationTimestamp"], _key(item))
            for item in self.items_of(namespace)
            if (item.get("status") or {}).get("reason") == NAMESPACE_BUDGET
        ]
        return [key for _, key in sorted(waits)]

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
        with self._lock:
            key = _key(item)
            item["metadata"].pop("managedFields", None)
            if key in self._items:
                self._items[key] = item

    def begun(self, item: Object) -> None:
        """Take over a Job that was just created, so that it is not begun again before it is heard of."""
        key, job = owner_of(item), read_job(item)
        if key:
            with self._lock:
                self._expected[key][job.name] = (self._clock.now() + EXPECTED_SECONDS, job)

    def remind(self) -> None:
        """Have everything looked at that has not ended: a safeguard, should ever a change be missed."""
        with self._lock:
            keys = [key for key, item in self._items.items() if not _ended(item)]
        for key in keys:
            self._concern(key)

    def _changed(self, item: Object) -> None:
        key = _key(item)
        item["metadata"].pop("managedFields", None)
        with self._lock:
            known = self._items.get(key)
            if known is None or _version(known) <= _version(item) or _uid(known) != _uid(item):
                self._items[key] = item
        if known is None or _version(known) != _version(item):  # else it is our own write, or a new list
            self._concern(key)

    def _deleted(self, item: Object) -> None:
        key = _key(item)
        with self._lock:
            self._items.pop(key, None)
            self._gone.pop(key, None)
            self._expected.pop(key, None)
        self._concern(key)

    def _budget_changed(self, item: Object) -> None:
        self._budget_is(item["metadata"]["namespace"], item.get("data") or {})

    def _budget_gone(self, item: Object) -> None:
        self._budget_is(item["metadata"]["namespace"], None)

    def _budget_is(self, namespace: str, data: Mapping[str, str] | None) -> None:
        with self._lock:
            before = self._budgets.pop(namespace, None)
            if data is not None:
                self._budgets[namespace] = data
        if data != before:
            for key in self.waiting(namespace):
                self._concern(key)

    def _job_changed(self, item: Object) -> None:
        self._expect_no_more(item)
        self._keep(self._jobs, item, read_job(item))

    def _job_gone(self, item: Object) -> None:
        self._expect_no_more(item)
        self._drop(self._jobs, item)

    def _expect_no_more(self, item: Object) -> None:
        with self._lock:
            self._expected.get(owner_of(item) or "", {}).pop(item["metadata"]["name"], None)

    def _pod_changed(self, item: Object) -> None:
        self._keep(self._pods, item, read_pod(item))

    def _pod_gone(self, item: Object) -> None:
        key, pod = owner_of(item), read_pod(item)
        if key and (pod.over or pod.ended is not None):
            with self._lock:
                self._gone[key][pod.name] = (self._clock.now() + REMEMBERED_SECONDS, _over(pod))
        self._drop(self._pods, item)

    def _keep(self, index: dict[str, dict[str, T]], item: Object, value: T) -> None:
        key, name = owner_of(item), item["metadata"]["name"]
        if key:
            with self._lock:
                news = index[key].get(name) != value
                index[key][name] = value
            if news:
                self._concern(key)

    def _drop(self, index: dict[str, dict[str, T]], item: Object) -> None:
        key = owner_of(item)
        if key:
            with self._lock:
                index[key].pop(item["metadata"]["name"], None)
                if not index[key]:
                    del index[key]
            self._concern(key)


def _sources(namespace: str | None) -> tuple[Source, Source, Source, Source]:
    """Return what to listen to: our Jobs and pods, by their label, budgets, by their name, FineTuneJobs."""
    batch, core, custom = client.BatchV1Api(), client.CoreV1Api(), client.CustomObjectsApi()
    ours = {"label_selector": LABEL_JOB}
    budgets = {"field_selector": f"metadata.name={BUDGET_CONFIG_MAP}"}
    if namespace:
        return (
            Source("jobs", batch.list_namespaced_job, namespace, **ours),
            Source("pods", core.list_namespaced_pod, namespace, **ours),
            Source("configmaps", core.list_namespaced_config_map, namespace, **budgets),
            Source("finetunejobs", custom.list_namespaced_custom_object, GROUP, VERSION, namespace, PLURAL),
        )
    return (
        Source("jobs", batch.list_job_for_all_namespaces, **ours),
        Source("pods", core.list_pod_for_all_namespaces, **ours),
        Source("configmaps", core.list_config_map_for_all_namespaces, **budgets),
        Source("finetunejobs", custom.list_cluster_custom_object, GROUP, VERSION, PLURAL),
    )


def _over(pod: Pod) -> Pod:
    """Return a pod that is gone: whatever its last phase was, nothing of it runs."""
    if pod.over:
        return pod
    return replace(pod, phase="Failed" if pod.exit_code else "Succeeded")


def _key(item: Object) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"


def _version(item: Object) -> int:
    return int(item["metadata"]["resourceVersion"])


def _ended(item: Object) -> bool:
    return "completionTime" in (item.get("status") or {})


def _uid(item: Object) -> str:
    return str(item["metadata"]["uid"])
