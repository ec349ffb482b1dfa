"""A cluster of one job, simulated: objects as the API server has them, events at random, a clock."""

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any, ClassVar

from ftjob.cluster.actions import CreateJob, DeleteJob, KillPod, WriteStatus
from ftjob.cluster.case import Observed
from ftjob.cluster.config import Config
from ftjob.cluster.decide import decide
from ftjob.cluster.manifests import attempt_job
from ftjob.cluster.names import State
from ftjob.cluster.objects import read_fine_tune, read_job, read_pod
from ftjob.cluster.status import FineTuneStatus
from ftjob.cluster.times import render_time
from ftjob.status import State as RunState
from ftjob.status import Status
from tests.cluster.unit.builders import FIGURES, NODES, NOW, RUN_ID, spec

PRICE = 0.9
GRACE = 120
MAX_ITER = 3000


class World:
    """One FineTuneJob and all that happens to it. Times are whole seconds, as Kubernetes has them."""

    EVENTS: ClassVar[tuple[str, ...]] = (
        "time",
        "crash",
        "evict",
        "delete_pod",
        "delete_job",
        "lose_node",
        "controller_dies",
        "stale_look",
        "suspend",
        "edit",
    )

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.now, self.steps = rng, NOW, 0
        self.budget = rng.choice([0.05, 0.3, 1.0, 3.0])
        self.config = Config(min_attempt_seconds=30, max_disruptions=8)
        self.spec = spec(budget={"usd": self.budget}, resources={"node": "p2.xlarge", "max_pending": 1.0})
        self.raw_status: dict[str, Any] = {}
        self.version = 0
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.run: Status | None = None
        self.speed = rng.choice([0.2, 1.0, 5.0])
        self.cursed = rng.random() < 0.15
        self.iteration, self.snapshot = 0.0, 0
        self.bills: dict[str, tuple[float, float | None]] = {}
        self.happened: list[str] = []
        self.done_at: str | None = None
        self.old: Observed | None = None

    @property
    def status(self) -> FineTuneStatus:
        return FineTuneStatus.from_json(self.raw_status)

    @property
    def ended(self) -> bool:
        return self.status.state.ended and not self.living()

    def living(self) -> list[dict[str, Any]]:
        return [pod for pod in self.pods.values() if pod["status"]["phase"] in ("Pending", "Running")]

    def true_usd(self) -> float:
        return sum((end or self.now) - begin for begin, end in self.bills.values()) / 3600 * PRICE

    def accounted_usd(self) -> float:
        return self.status.usd

    def grace_usd(self) -> float:
        return (GRACE + self.config.poll_seconds) / 3600 * PRICE

    def tolerance_usd(self) -> float:
        """A pod that nobody saw end is counted to its worker's last word, or to the next look."""
        return 0.02 + len(self.bills) * 30 / 3600 * PRICE

    def story(self) -> str:
        return f"{self.happened[-30:]} {self.status.state} {self.status.reason} {self.bills}"

    def step(self) -> None:
        """Let something happen, let time pass, and let the controller look."""
        self.steps += 1
        weights = [30, 2, 2, 2, 1, 1, 3, 3, 2, 1]
        event = self.rng.choices(self.EVENTS, weights)[0]
        self.happened.append(event)
        handler: Callable[[], None] = getattr(self, event)
        handler()
        self.pass_time(self.rng.choice([1, 5, 30, 120]))
        self.look()

    def settle_down(self) -> None:
        """Nothing happens any more but time, and the user holds nothing."""
        self.spec["suspend"] = False
        for _ in range(3000):
            if self.ended:
                return
            self.pass_time(20)
            self.look()

    # What the controller does.

    def observe(self) -> Observed:
        metadata = {"name": "emotions", "namespace": "team", "uid": "u-1", "generation": 1}
        item = {
            "metadata": metadata,
            "spec": deepcopy(self.spec),
            "status": deepcopy(self.raw_status) or None,
        }
        return Observed(
            job=replace(read_fine_tune(item), resource_version=str(self.version)),
            jobs=tuple(read_job(job) for job in self.jobs.values()),
            pods=tuple(read_pod(pod) for pod in self.pods.values()),
            planned=FIGURES,
            run=self.told(),
            run_read=True,
            nodes=NODES,
            config=self.config,
        )

    def told(self) -> Status | None:
        """The run's status.json."""
        if self.run is None:
            return None
        updated = self.now if self.running() else self.run.updated
        self.run = replace(
            self.run, iteration=int(self.iteration), snapshot=self.snapshot or None, updated=updated
        )
        return self.run

    def look(self, seen: Observed | None = None, most: int = 99) -> None:
        """Observe, decide and act; a controller that dies does only the first actions."""
        seen = seen or self.observe()
        for action in decide(seen, self.now)[:most]:
            if isinstance(action, WriteStatus):
                if seen.job.resource_version != str(self.version):
                    break  # the API server answers 409, and nothing further is done
                self.raw_status, self.version = action.status.to_json(), self.version + 1
            elif isinstance(action, CreateJob):
                self.create(seen, action)
            elif isinstance(action, DeleteJob):
                self.remove_job(action.name)
            elif isinstance(action, KillPod):
                self.end_bill(action.name)
                self.pods.pop(action.name, None)
        if self.status.state is State.SUCCEEDED and self.done_at is None:
            self.done_at = str(sorted(self.bills))
        self.check()

    def check(self) -> None:
        running = [name for name, (_, end) in self.bills.items() if end is None]
        assert len(running) <= 1, self.story()
        assert self.done_at in (None, str(sorted(self.bills))), self.story()

    def create(self, seen: Observed, action: CreateJob) -> None:
        job = attempt_job(seen.job, action.request, action.figures, self.config, action.terms)
        fresh_open = any("deletionTimestamp" not in each["metadata"] for each in self.open_jobs())
        if job["metadata"]["name"] in self.jobs or fresh_open or self.living():
            return  # the look before the act, as the controller does it
        job["metadata"]["creationTimestamp"] = render_time(self.now)
        job["status"] = {}
        self.jobs[job["metadata"]["name"]] = job
        self.make_pod(job)

    def open_jobs(self) -> list[dict[str, Any]]:
        return [job for job in self.jobs.values() if not job["status"].get("conditions")]

    def make_pod(self, job: dict[str, Any]) -> None:
        name = f"{job['metadata']['name']}-{len(self.bills) + len(self.pods)}"
        template = job["spec"]["template"]
        labels = {**template["metadata"]["labels"], "job-name": job["metadata"]["name"]}
        self.pods[name] = {
            "metadata": {**template["metadata"], "name": name, "namespace": "team", "labels": labels},
            "spec": {"deadline": template["spec"].get("activeDeadlineSeconds")},
            "status": {"phase": "Pending"},
            "waits": self.rng.choice([0, 0, 60, 600, 5000]),
            "born": self.now,
        }
        self.pods[name]["metadata"]["creationTimestamp"] = render_time(self.now)

    def remove_job(self, name: str) -> None:
        """Delete in the foreground: the pods get their grace period, then all is gone."""
        job = self.jobs.get(name)
        if job is None:
            return
        job["metadata"]["deletionTimestamp"] = render_time(self.now)
        for pod in self.pods.values():
            if pod["metadata"]["labels"]["job-name"] == name:
                self.ask_to_end(pod)

    def ask_to_end(self, pod: dict[str, Any]) -> None:
        pod["metadata"].setdefault("deletionTimestamp", render_time(self.now + GRACE))
        pod.setdefault("stops", self.now + self.rng.choice([2, 30, GRACE]))

    # What time does.

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            for name, pod in list(self.pods.items()):
                self.live(name, pod)
        for name, job in list(self.jobs.items()):
            pods = [pod for pod in self.pods.values() if pod["metadata"]["labels"]["job-name"] == name]
            if "deletionTimestamp" in job["metadata"] and not pods:
                del self.jobs[name]
            elif any(pod["status"]["phase"] in ("Succeeded", "Failed") for pod in pods):
                done = pods[0]["status"]["phase"] == "Succeeded"
                kind = "Complete" if done else "Failed"
                job["status"]["conditions"] = [{"type": kind, "status": "True"}]

    def live(self, name: str, pod: dict[str, Any]) -> None:
        phase, deleted = pod["status"]["phase"], "deletionTimestamp" in pod["metadata"]
        if phase == "Pending":
            if deleted:
                del self.pods[name]
            elif self.now - pod["born"] >= pod["waits"]:
                self.start(name, pod)
        elif phase == "Running":
            self.train(name, pod)
            if pod["status"]["phase"] != "Running":
                return
            begin = self.bills[name][0]
            limit = pod["spec"]["deadline"]
            if limit is not None and self.now - begin >= limit:
                pod["late"] = True
                pod.setdefault("stops", self.now + self.rng.choice([2, GRACE]))
            if self.now >= pod.get("stops", self.now + 1):
                self.end_pod(
                    name, 10 if not pod.get("late") else 137, "DeadlineExceeded" if pod.get("late") else ""
                )
            elif self.iteration >= MAX_ITER:
                self.end_pod(name, 0)
        elif deleted and not pod.get("lost"):
            del self.pods[name]

    def start(self, name: str, pod: dict[str, Any]) -> None:
        attempt = int(pod["metadata"]["labels"]["ftjob.dev/attempt"])
        self.bills[name] = (self.now, None)
        pod["spec"]["nodeName"] = "node0"
        pod["status"] = {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": render_time(self.now)}
            ],
            "containerStatuses": [{"name": "worker", "state": {"running": {}}}],
        }
        self.iteration = float(self.snapshot)
        self.run = Status("emotions", RUN_ID, RunState.RUNNING, attempt=attempt)

    def train(self, name: str, pod: dict[str, Any]) -> None:
        """Go on by a second; a cursed engine crashes before it has made a snapshot."""
        self.iteration += self.speed
        if self.iteration >= self.snapshot + 500:
            self.snapshot = int(self.iteration) // 500 * 500
        if self.cursed and self.now - self.bills[name][0] > 40:
            self.end_pod(name, 6, silent=True)

    def end_pod(self, name: str, code: int, reason: str = "", *, silent: bool = False) -> None:
        pod = self.pods[name]
        self.end_bill(name)
        terminated = {"exitCode": code, "finishedAt": render_time(self.now), "reason": "Error"}
        pod["status"] |= {"phase": "Failed" if code else "Succeeded", "reason": reason}
        pod["status"]["containerStatuses"] = [{"name": "worker", "state": {"terminated": terminated}}]
        if self.run and code in (0, 6, 9, 10) and not silent:
            ended = RunState.SUCCEEDED if code == 0 else RunState.STOPPED
            self.snapshot = int(self.iteration)
            self.run = replace(self.run, state=ended, exit_code=code, ended=self.now)

    def end_bill(self, name: str) -> None:
        if name in self.bills and self.bills[name][1] is None:
            self.bills[name] = (self.bills[name][0], self.now)

    # What happens.

    def running(self) -> list[str]:
        return [name for name, pod in self.pods.items() if pod["status"]["phase"] == "Running"]

    def time(self) -> None:
        self.pass_time(self.rng.choice([10, 60, 300]))

    def crash(self) -> None:
        for name in self.running():
            self.end_pod(name, self.rng.choice([1, 5, 6, 6, 139]), silent=True)

    def evict(self) -> None:
        for name in self.running():
            self.end_pod(name, 137, "Evicted", silent=True)

    def delete_pod(self) -> None:
        for name in self.running():
            self.ask_to_end(self.pods[name])

    def delete_job(self) -> None:
        for name in list(self.jobs):
            self.remove_job(name)

    def lose_node(self) -> None:
        """The node is gone for good, and its pods with it."""
        for name in self.running():
            self.end_bill(name)
            job = self.jobs.get(self.pods.pop(name)["metadata"]["labels"]["job-name"])
            if job:
                job["status"]["conditions"] = [
                    {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
                ]

    def controller_dies(self) -> None:
        self.look(most=self.rng.choice([0, 1, 2, 3]))

    def stale_look(self) -> None:
        """A controller that was cut off acts on what it saw long ago."""
        old, self.old = self.old, self.observe()
        if old is not None:
            self.look(old)

    def suspend(self) -> None:
        self.spec["suspend"] = not self.spec.get("suspend", False)

    def edit(self) -> None:
        self.spec["solver"] = {"base_lr": self.rng.choice([0.001, 0.01])}
