"""What the controller takes for a sweep of many members, beside as many FineTuneJobs that are no sweep's.

As `benchmarks.controller`, on a cluster of the test bed. First $JOBS (500) FineTuneJobs are submitted 50 a
second, then one sweep of as many members, all of which run at once. `ratio_processor` and `ratio_requests`
are what a FineTuneJob of its own takes, divided by what a member takes with its share of the sweep.
`ratio_p99` is 10 s, in which the last member should have its Job, divided by the 99th percentile of the time
from the sweep's submit to a member's Job.
"""

import json
import os
import tempfile
from pathlib import Path

from benchmarks.controller import crowd
from benchmarks.controller.__main__ import BED, JOBS, LIFE, counted, jobs_at_a_rate, kubelet, prepared
from benchmarks.controller.contenders import running
from benchmarks.controller.server import Server
from ftjob.concurrency import processors
from tests.cluster.bed.session import attach
from tests.cluster.controllers import a_namespace

ALLOWED = 10.0


def one_sweep(server: Server, namespace: str, name: str) -> crowd.Timing:
    """Submit one sweep, until its members have ended."""
    return crowd.submit_sweep(server, namespace, f"{name}-sweep", JOBS, patience=LIFE * 4 + 60)


def main() -> None:
    """Measure; print both parts and the figures."""
    found = {}
    with attach(BED) as cluster, tempfile.TemporaryDirectory() as written:
        folder, server = Path(written), Server(cluster.kubeconfig, connections=32)
        with kubelet(cluster) as store, a_namespace(cluster) as namespace:
            environment = prepared(cluster, namespace, folder, store)
            for part, submit in (("jobs", jobs_at_a_rate), ("sweep", one_sweep)):
                with running("ftjob", namespace, folder / "settings.yaml", environment) as contender:
                    found[part] = counted(contender, server, namespace, submit)
                print(f"{part:<6} {json.dumps(found[part])}", flush=True)
                crowd.remove(server, namespace)
    alone, member = found["jobs"], found["sweep"]
    figures = {
        "cores": processors.share(),
        "load": round(os.getloadavg()[0], 2),
        "ratio_processor": round(alone["processor_ms_per_job"] / member["processor_ms_per_job"], 3),
        "ratio_requests": round(alone["requests_per_job"] / member["requests_per_job"], 3),
        "ratio_p99": round(ALLOWED / member["p99_s"], 3),
        **{f"{key}_{part}": figure for part, figures in found.items() for key, figure in figures.items()},
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
