"""The objects of a benchmark: those that stand there, and those that are submitted and timed."""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Thread

import urllib3
from urllib3.exceptions import HTTPError

from benchmarks.controller.server import FINE_TUNES, Object, Server
from ftjob.cluster.resource.figures import annotation_of
from ftjob.cluster.resource.member import annotation_of_plans
from ftjob.cluster.resource.names import ANNOTATION_PLANS, JOB_NAME, LABEL_JOB, LABEL_SWEEP
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.cluster.resource.request import identity_of, identity_of_object
from ftjob.cluster.resource.status import Figures
from jobspec import members, parse_spec
from tests.cluster.controllers import RUN_ID, fine_tune

SUBMITTERS = 16
RUNNING = "bench-running"
"""Labels the submitted ones, so that they can be removed without those that stand."""


def submitted(name: str) -> Object:
    """Return a FineTuneJob that is planned and whose data is where nobody looks."""
    job = fine_tune(name, resources={"node": "bench"})
    job["metadata"]["labels"] = {RUNNING: "true"}
    return job


def stand(server: Server, namespace: str, store: str, count: int, pattern: Object) -> None:
    """Have so many FineTuneJobs that ended as `pattern` did, and their runs in the store."""
    path = FINE_TUNES.format(namespace)
    run_id, bucket = pattern["status"]["runId"], urllib3.PoolManager(maxsize=SUBMITTERS)
    run = bucket.request("GET", f"{store}/runs/{pattern['metadata']['name']}/{run_id}/status.json").data

    def make(number: int) -> None:
        job = submitted(f"done-{number}")
        del job["metadata"]["labels"]
        made = server.ask("POST", path, job)
        bucket.request("PUT", f"{store}/runs/done-{number}/{run_id}/status.json", body=run)
        own = {"folder": f"s3://runs/done-{number}/{run_id}", "identity": identity(made)}
        status = {**pattern["status"], **own}
        lives = [{**life, "pod": f"done-{number}-x"} for life in pattern["status"]["attempts"]]
        made["status"] = {**status, "attempts": lives}
        server.ask("PUT", f"{path}/{made['metadata']['name']}/status", made)

    with ThreadPoolExecutor(SUBMITTERS) as threads:
        list(threads.map(make, range(count)))


def wait_until_heard(server: Server, namespace: str, name: str, patience: float = 300) -> None:
    """Wait until a program has handled the last change: by then it has seen all of them.

    A node that is not there makes a run that fails without a Job.
    """
    job = submitted(name)
    job["spec"]["resources"] = {"node": "nowhere"}
    server.ask("POST", FINE_TUNES.format(namespace), job)
    deadline = time.monotonic() + patience
    while "completionTime" not in server.ask("GET", f"{FINE_TUNES.format(namespace)}/{name}").get(
        "status", {}
    ):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{name} has no answer after {patience:.0f} s")
        time.sleep(0.5)


def identity(item: Object) -> str:
    """Return a status's record of a spec's identity; with another one, an edit would be refused."""
    return identity_of_object(read_fine_tune(item))


@dataclass
class Timing:
    """When each one was sent, and when its Job, its worker's start and its end were heard of."""

    sent: dict[str, float]
    created: dict[str, float]
    running: dict[str, float]
    ended: dict[str, float]

    @property
    def latencies(self) -> list[float]:
        """Seconds from submit to Job, in order of length."""
        return sorted(self.created[name] - self.sent[name] for name in self.created)

    @property
    def rate(self) -> float:
        """Submits per second that were reached."""
        took = max(self.sent.values()) - min(self.sent.values())
        return (len(self.sent) - 1) / took if took else 0.0

    @property
    def most_at_once(self) -> int:
        """How many ran at the same time."""
        changes = [(at, 1) for at in self.running.values()] + [(at, -1) for at in self.ended.values()]
        count = most = 0
        for _, step in sorted(changes):
            count += step
            most = max(most, count)
        return most


def submit(server: Server, namespace: str, prefix: str, count: int, rate: float, patience: float) -> Timing:
    """Submit at a rate; return when each job was reported as ended, by this process' clock.

    The prefix makes them runs that nobody has done before.
    """
    timing = Timing({}, {}, {}, {})
    everything = Event()
    listen(server, namespace, timing, count, everything, f"{RUNNING}=true")
    begin = time.monotonic() + 0.5

    def send(number: int) -> None:
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        job = submitted(f"{prefix}-{number}")
        timing.sent[job["metadata"]["name"]] = time.monotonic()
        server.ask("POST", FINE_TUNES.format(namespace), job)

    with ThreadPoolExecutor(SUBMITTERS) as threads:
        list(threads.map(send, range(count)))
    if not everything.wait(patience):
        raise RuntimeError(f"only {len(timing.ended)} of {count} ended ({len(timing.created)} have a Job)")
    return timing


def submit_sweep(server: Server, namespace: str, name: str, count: int, patience: float) -> Timing:
    """Submit one sweep of so many members at once; return when each of them was reported as ended."""
    job = submitted(name)
    rates = [round(0.001 + number / 1e6, 6) for number in range(count)]
    job["spec"]["sweep"] = {"parallel": count, "solver.base_lr": rates}
    figures = Figures(run_id=RUN_ID, snapshot_bytes=1000, memory_bytes=2**20, data_bytes=1000)
    found = members(parse_spec(json.dumps({"name": name, **job["spec"]}), name))
    plans = {each.name: annotation_of(figures, identity_of(each.spec)) for each in found}
    job["metadata"]["annotations"] = {ANNOTATION_PLANS: annotation_of_plans(plans)}
    timing, everything = Timing({}, {}, {}, {}), Event()
    listen(server, namespace, timing, count, everything, f"{LABEL_SWEEP}={name}")
    timing.sent = dict.fromkeys((each.name for each in found), time.monotonic())
    server.ask("POST", FINE_TUNES.format(namespace), job)
    if not everything.wait(patience):
        raise RuntimeError(f"only {len(timing.ended)} of {count} ended ({len(timing.created)} have a Job)")
    return timing


def listen(
    server: Server, namespace: str, timing: Timing, count: int, everything: Event, selector: str
) -> None:
    """Note what is heard, in the background."""

    def jobs() -> None:
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs?labelSelector={LABEL_JOB}"
        try:
            for _, job in server.watch(path):
                timing.created.setdefault(job["metadata"]["labels"][LABEL_JOB], time.monotonic())
        except HTTPError:
            if not everything.is_set():  # afterwards the cluster goes
                raise

    def fine_tunes() -> None:
        for _, job in server.watch(f"{FINE_TUNES.format(namespace)}?labelSelector={selector}"):
            status = job.get("status", {})
            if status.get("state") == "Running":
                timing.running.setdefault(job["metadata"]["name"], time.monotonic())
            if "completionTime" in status:
                timing.ended.setdefault(job["metadata"]["name"], time.monotonic())
            if len(timing.ended) == count:
                everything.set()
                return

    for each in (jobs, fine_tunes):
        Thread(target=each, daemon=True).start()


def remove(server: Server, namespace: str) -> None:
    """Delete what was submitted, and wait until nothing of it is left."""
    chosen = f"{FINE_TUNES.format(namespace)}?labelSelector={RUNNING}"
    server.ask("DELETE", chosen, {"propagationPolicy": "Background"})
    pods = f"/api/v1/namespaces/{namespace}/pods?labelSelector={JOB_NAME}"
    jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs?labelSelector={LABEL_JOB}"
    while any(_is_there(server, path) for path in (chosen, jobs, pods)):
        time.sleep(0.5)


def _is_there(server: Server, path: str) -> Iterable[Object]:
    return list(server.ask("GET", path)["items"])
