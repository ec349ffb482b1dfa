"""What the controller takes for many jobs, beside the same logic in an operator written with kopf.

On a cluster of the test bed, with its real API server, Job controller and scheduler: FineTuneJobs are
submitted 50 a second; a node that is none acts their pods, each for so long that all of them run at once.
First with nothing else there, then beside as many objects that ended before as a cluster keeps: those have a
status and a run, and nothing happens to them any more. Then the same with kopf in the controller's place.

Submit to Job is counted from before the request to when a watch reports the Job, in one process. What a job
takes is counted from before the first submit to after the last end, without what the program takes at rest.

$JOBS (500), $STANDING (4500), $RATE (50) and $ROUNDS (1) change that.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.controller import crowd
from benchmarks.controller.contenders import ROOT, Contender, running
from benchmarks.controller.kubelet import LABEL, TAINT
from benchmarks.controller.server import FINE_TUNES, Server
from ftjob.concurrency import processors
from tests.cluster.bed.cluster import Cluster
from tests.cluster.bed.session import attach
from tests.cluster.controllers import a_namespace, as_controller, environment_of, install

JOBS = int(os.environ.get("JOBS", "500"))
STANDING = int(os.environ.get("STANDING", "4500"))
RATE = float(os.environ.get("RATE", "50"))
ROUNDS = int(os.environ.get("ROUNDS", "1"))
BED = os.environ.get("BED", "bench")
LIFE = JOBS / RATE + 20
SETTINGS = {
    "images": {"caffe_cpu": "bench.test/none:1", "allow_tags": True},  # the node that is none pulls nothing
    "worker": {"cpu": "10m", "memory_bytes": 2**25, "disk_bytes": 2**20},
}
NODES = {
    "bench": {
        "gpu": "none",
        "gpus": 0,
        "gpu_memory_gib": None,
        "teraflops": 1.0,
        "gigabytes_per_second": 10.0,
        "price": {"on_demand": 0.9},
        "labels": LABEL,
        "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
    }
}
Figures = dict[str, Any]
RIGHTS: dict[str, Callable[[Cluster], dict[str, str]]] = {
    "ftjob": lambda _: {},
    "kopf": lambda cluster: {"KUBECONFIG": str(cluster.kubeconfig)},  # it wants to list CRDs and namespaces
}


def main() -> None:
    """Run everything; print every part and the figures."""
    with attach(BED) as cluster, tempfile.TemporaryDirectory() as folder:
        found = [measured(cluster, Path(folder)) for _ in range(ROUNDS)]
    print(json.dumps(summary(found)))


def measured(cluster: Cluster, folder: Path) -> dict[str, Figures]:
    """Run one round: alone, in the crowd, and kopf in the crowd."""
    server = Server(cluster.kubeconfig, connections=32)
    with kubelet(cluster) as store, a_namespace(cluster) as namespace:
        environment = prepared(cluster, namespace, folder, store)
        found = {"few": part(server, namespace, folder, environment, "few")}
        pattern = server.ask("GET", f"{FINE_TUNES.format(namespace)}/few-0")
        crowd.remove(server, namespace)
        crowd.stand(server, namespace, environment["AWS_ENDPOINT_URL"], STANDING, pattern)
        for name in ("ftjob", "kopf"):
            found[name] = part(server, namespace, folder, environment | RIGHTS[name](cluster), name)
            crowd.remove(server, namespace)
        return found


def part(server: Server, namespace: str, folder: Path, environment: dict[str, str], name: str) -> Figures:
    """Have one program take all jobs from their submit to their end."""
    with running(name, namespace, folder / "settings.yaml", environment) as contender:
        figures = counted(contender, server, namespace, jobs_at_a_rate)
    print(f"{name:<6} {json.dumps(figures)}", flush=True)
    return figures


def jobs_at_a_rate(server: Server, namespace: str, name: str) -> crowd.Timing:
    """Submit FineTuneJobs one after another, until they have ended."""
    return crowd.submit(server, namespace, name, JOBS, RATE, patience=LIFE * 4 + 60)


def counted(
    contender: Contender,
    server: Server,
    namespace: str,
    submit: Callable[[Server, str, str], crowd.Timing],
) -> Figures:
    """Return the figures of one program at work."""
    crowd.wait_until_heard(server, namespace, f"{contender.name}-first")
    resting, before, began = contender.wait_until_quiet(), contender.usage(), time.monotonic()
    timing = submit(server, namespace, contender.name)
    seconds, after = time.monotonic() - began, contender.usage()
    processor = after.processor - before.processor - resting * seconds
    requests = {key: after.requests[key] - before.requests.get(key, 0) for key in after.requests}
    latencies = timing.latencies
    return {
        "p50_s": round(latencies[len(latencies) // 2], 3),
        "p99_s": round(latencies[int(len(latencies) * 0.99)], 3),
        "submits_per_s": round(timing.rate, 1),
        "seconds": round(seconds, 1),
        "running_at_once": timing.most_at_once,
        "requests_per_job": round(sum(requests.values()) / JOBS, 2),
        "processor_ms_per_job": round(1000 * processor / JOBS, 1),
        "processor_share_at_rest": round(resting, 4),
        "resident_mb": round(contender.resident_mb(), 1),
        "peak_mb": round(contender.peak_mb(), 1),
        "requests": {key: count for key, count in requests.items() if count},
    }


def summary(found: list[dict[str, Figures]]) -> Figures:
    """Return each figure's best round, and the ratios."""
    best = {part: {key: least(found, part, key) for key in found[0][part]} for part in found[0]}
    ours, few, kopf = best["ftjob"], best["few"], best["kopf"]
    return {
        "cores": processors.share(),
        "rounds": len(found),
        "load": round(os.getloadavg()[0], 2),
        "objects": JOBS + STANDING,
        "ratio_p99_kopf": round(kopf["p99_s"] / ours["p99_s"], 3),
        "ratio_processor_kopf": round(kopf["processor_ms_per_job"] / ours["processor_ms_per_job"], 3),
        "ratio_memory_kopf": round(kopf["peak_mb"] / ours["peak_mb"], 3),
        "ratio_flat": round(few["processor_ms_per_job"] / ours["processor_ms_per_job"], 3),
        **{f"{key}_{part}": figure for part, figures in best.items() for key, figure in figures.items()},
    }


def least(found: list[dict[str, Figures]], part: str, key: str) -> Any:
    """Return a figure of the round in which it was least; whatever else the machine does only adds."""
    figures = [each[part][key] for each in found]
    return min(figures) if isinstance(figures[0], int | float) else figures[0]


def prepared(cluster: Cluster, namespace: str, folder: Path, store_port: int) -> dict[str, str]:
    """Install ftjob's definition and rights, and return what a controller has in its environment."""
    install(cluster, namespace)
    (folder / "settings.yaml").write_text(yaml.safe_dump(SETTINGS))
    (folder / "nodes.yaml").write_text(yaml.safe_dump(NODES))
    seen = as_controller(cluster, namespace, folder)
    store = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{store_port}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
    }
    more = {"FTJOB_NODES": str(folder / "nodes.yaml"), "FTJOB_CACHE": str(folder / "cache")}
    return environment_of(seen, {**store, **more})


@contextmanager
def kubelet(cluster: Cluster) -> Iterator[int]:
    """Have the node that is none; yield its store's port."""
    command = [sys.executable, "-m", "benchmarks.controller.kubelet", str(cluster.kubeconfig), str(LIFE)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()
    cluster.kubectl("delete", "node", "bench")


if __name__ == "__main__":
    main()
