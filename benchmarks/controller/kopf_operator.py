"""The same logic as an operator written with kopf: its watches, indices and order, our decide() and acts.

python -m benchmarks.controller.kopf_operator NAMESPACE SETTINGS PORT
"""

import asyncio
import logging
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import kopf

from ftjob.cluster.controller.apiserver import Api
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.cache.ledger import Ledger
from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import Events
from ftjob.cluster.controller.hints import Hints
from ftjob.cluster.controller.reconcile import Reconciler
from ftjob.cluster.controller.reconcile_sweep import SweepReconciler
from ftjob.cluster.controller.run import load_cluster
from ftjob.cluster.controller.serving.web import serve
from ftjob.cluster.controller.worker_reports import Reports
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.resource.config import load_config
from ftjob.cluster.resource.names import GROUP, LABEL_JOB, PLURAL, VERSION
from ftjob.cluster.resource.objects import AttemptJob, Object, Pod, read_job, read_pod


class Indexed:
    """What kopf's indices hold, as the reconciler asks for it."""

    def __init__(self) -> None:
        self.fine_tunes_index: Any = {}
        self.jobs_index: Any = {}
        self.pods_index: Any = {}

    def item(self, key: str) -> Object | None:
        found = list(self.fine_tunes_index.get(key, ()))
        return dict(found[0]) if found else None

    def jobs(self, key: str) -> list[AttemptJob]:
        return [read_job(dict(body)) for body in self.jobs_index.get(key, ())]

    def pods(self, key: str) -> list[Pod]:
        return [read_pod(dict(body)) for body in self.pods_index.get(key, ())]

    def budget(self, namespace: str) -> None:
        """No namespace has one here."""

    def waiting(self, namespace: str) -> tuple[str, ...]:
        """No run waits for one either."""
        return ()

    def assume_status(self, item: Object) -> None:
        """Return nothing: the watch delivers the changes."""

    def assume_job(self, item: Object) -> None:
        """Return nothing: the watch delivers the changes."""


class Loop:
    """Has objects looked at, each by one at a time, in kopf's event loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.reconciler: Reconciler
        self._locks: dict[str, asyncio.Lock] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}

    def add(self, key: str) -> None:
        assert self.loop
        self.loop.call_soon_threadsafe(self._begin, key)

    def add_after(self, key: str, seconds: float) -> None:
        assert self.loop
        self.loop.call_soon_threadsafe(self._postpone, key, seconds)

    async def look(self, key: str) -> None:
        if key in self._later:
            self._later.pop(key).cancel()
        async with self._locks.setdefault(key, asyncio.Lock()):
            await asyncio.to_thread(self.reconciler.reconcile, key)

    def _begin(self, key: str) -> None:
        assert self.loop
        task = self.loop.create_task(self.look(key))
        task.add_done_callback(lambda done: done.result())

    def _postpone(self, key: str, seconds: float) -> None:
        assert self.loop
        due = self._later.get(key)
        if due is None or due.when() > self.loop.time() + seconds:
            if due:
                due.cancel()
            self._later[key] = self.loop.call_later(seconds, partial(self._begin, key))


LOOP, VIEW = Loop(), Indexed()


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    """Log nothing, post nothing: the benchmark compares the work."""
    settings.posting.enabled = False
    settings.watching.server_timeout = 300


@kopf.index(GROUP, VERSION, PLURAL)
def fine_tunes_index(namespace: Any, name: str, body: Any, **_: Any) -> dict[str, Any]:
    return {f"{namespace}/{name}": body}


@kopf.index("jobs", labels={LABEL_JOB: kopf.PRESENT})
def jobs_index(namespace: Any, labels: Any, body: Any, **_: Any) -> dict[str, Any]:
    return {f"{namespace}/{labels[LABEL_JOB]}": body}


@kopf.index("pods", labels={LABEL_JOB: kopf.PRESENT})
def pods_index(namespace: Any, labels: Any, body: Any, **_: Any) -> dict[str, Any]:
    return {f"{namespace}/{labels[LABEL_JOB]}": body}


@kopf.on.event(GROUP, VERSION, PLURAL)
async def fine_tune_changed(namespace: Any, name: str, **indices: Any) -> None:
    await _changed(f"{namespace}/{name}", indices)


@kopf.on.event("jobs", labels={LABEL_JOB: kopf.PRESENT})
@kopf.on.event("pods", labels={LABEL_JOB: kopf.PRESENT})
async def child_changed(namespace: Any, labels: Any, **indices: Any) -> None:
    await _changed(f"{namespace}/{labels[LABEL_JOB]}", indices)


async def _changed(key: str, indices: dict[str, Any]) -> None:
    LOOP.loop = asyncio.get_running_loop()
    for name in ("fine_tunes_index", "jobs_index", "pods_index"):
        setattr(VIEW, name, indices[name])
    await LOOP.look(key)


def main(words: Iterable[str]) -> None:
    """Be an operator until SIGTERM."""
    namespace, settings, port = words
    load_cluster()
    clock, api = Clock(), Api()
    cache, queue = cast("Cache", VIEW), cast("WorkQueue", LOOP)  # all that the reconciler uses of them
    events, config, profiles = Events(api, clock), load_config(Path(settings)), Profiles()
    LOOP.reconciler = Reconciler(
        api=api,
        cache=cache,
        queue=queue,
        reports=Reports(LOOP.add, clock),
        hints=Hints(api, clock),
        events=events,
        clock=clock,
        config=config,
        profiles=profiles,
        ledger=Ledger(cache),
        sweeps=SweepReconciler(api, cache, queue, events, clock, config, profiles),
    )
    logging.getLogger("kopf").setLevel(logging.ERROR)
    serve("127.0.0.1", int(port), lambda: "", lambda: "", lambda: None)
    kopf.run(standalone=True, namespaces=[namespace])


if __name__ == "__main__":
    main(sys.argv[1:])
