"""How long another namespace's new run waits beside one that has 10,000 objects, all of which change.

The controller's own sources, picture, queue and lookers listen to an API server on loopback. It lists
$OBJECTS (10000) FineTuneJobs of one namespace and then reports $CHANGES (1000) changes of theirs a second.
Beside that another namespace submits $RUNS (150) runs, one every 0.2 s. A look reads the object and waits for
10 ms, as for one request; every hundredth of the large namespace waits for 10 s, as for a silent server.

The delay is counted from before the event is written to the beginning of the look. `ratio_delay_2s` is 2 s
divided by the 99th percentile.
"""

import gc
import json
import multiprocessing
import os
import sys
import threading
import time

from benchmarks.controller.loopback import FEW, MANY, SENT, serve
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.concurrency import processors

OBJECTS = int(os.environ.get("OBJECTS", "10000"))
CHANGES = float(os.environ.get("CHANGES", "1000"))
RUNS = int(os.environ.get("RUNS", "150"))
PAUSE, LOOK, HANGS = 0.2, 0.01, 10.0
ALLOWED = 2.0
PATIENCE = 300.0


class Looks:
    """Looks at objects, and notes how late it was."""

    def __init__(self) -> None:
        from ftjob.cluster.controller.cache.indexed import Cache
        from ftjob.cluster.controller.clock import Clock
        from ftjob.cluster.controller.run import WORKERS
        from ftjob.cluster.controller.workqueue.queue import WorkQueue
        from ftjob.cluster.controller.workqueue.workers import Workers

        self.queue = WorkQueue(lambda key: self.cache.patience(key), WORKERS)
        self.cache = Cache(self.queue.add, Clock())
        self.workers = Workers(self.queue, self, WORKERS)
        self.delays: dict[str, float] = {}
        self.count = 0
        self.over = threading.Event()

    def __call__(self, key: str) -> None:
        now = time.monotonic()
        item = self.cache.item(key)
        assert item is not None
        job = read_fine_tune(item)
        self.count += 1
        if job.namespace == FEW:
            self.delays.setdefault(job.name, now - float(job.annotations[SENT]))
            if len(self.delays) == RUNS:
                self.over.set()
        time.sleep(HANGS if job.namespace == MANY and job.name.endswith("00") else LOOK)


def main() -> None:
    """Measure; print the figures."""
    from kubernetes.client import Configuration

    from ftjob.cluster.controller.apiserver import Api
    from ftjob.cluster.controller.cache.informers import Informers
    from ftjob.cluster.controller.run import GARBAGE, SWITCH_SECONDS, WATCHES, WORKERS

    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs, OBJECTS, CHANGES, RUNS, PAUSE), daemon=True)
    server.start()
    settings = Configuration(host=f"http://127.0.0.1:{ours.recv()}")
    settings.connection_pool_maxsize = WORKERS + WATCHES
    Configuration.set_default(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(GARBAGE)
    looks, begin = Looks(), time.monotonic()
    looks.workers.start()
    looks.cache.start(Informers.of(Api(), None))
    listed = time.monotonic() - begin
    complete = looks.over.wait(PATIENCE)
    seconds = time.monotonic() - begin
    server.terminate()
    if not complete:
        raise RuntimeError(f"only {len(looks.delays)} of {RUNS} runs were looked at in {PATIENCE:.0f} s")
    print(json.dumps(figures(sorted(looks.delays.values()), listed, looks.count / seconds)), flush=True)


def figures(delays: list[float], listed: float, rate: float) -> dict[str, float]:
    """Return what is printed of the delays, in order of length."""
    p99 = delays[int(len(delays) * 0.99)]
    return {
        "cores": processors.share(),
        "load": round(os.getloadavg()[0], 2),
        "objects": OBJECTS,
        "changes_per_s": CHANGES,
        "runs": RUNS,
        "listed_s": round(listed, 2),
        "looks_per_s": round(rate, 1),
        "p50_s": round(delays[len(delays) // 2], 4),
        "p99_s": round(p99, 4),
        "longest_s": round(delays[-1], 4),
        "ratio_delay_2s": round(ALLOWED / p99, 2),
    }


if __name__ == "__main__":
    main()
