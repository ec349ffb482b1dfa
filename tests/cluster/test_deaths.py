"""The controller dies, again and again, and nobody's run is harmed."""

import random
import signal
import threading
import time

from tests.cluster.controllers import SETTINGS, Controllers, reasons

KILLS = 30
LIVES = {
    "a10-b0-s4": ("Succeeded", ["Preempted", "Completed"]),
    "a6-b0-s3": ("Succeeded", ["EngineCrashed", "Completed"]),
    "a0-b0-s8": ("Succeeded", ["Completed"]),
    "a7-b0-s2": ("Failed", ["Diverged"]),
    "a10-b7-s5": ("Failed", ["Preempted", "Diverged"]),
}
"""How the stand-in's attempts end, and what is to become of their runs."""


class PodWatch(threading.Thread):
    """Looks all the time how many workers of each job are alive, and what of them is known."""

    def __init__(self, controllers: Controllers) -> None:
        super().__init__(daemon=True)
        self.controllers, self.most, self.over = controllers, 0, threading.Event()
        self.heard: set[str] = set()
        """Runs whose worker's report stood in their status while it ran."""

    def run(self) -> None:
        cluster, namespace = self.controllers.cluster, self.controllers.namespace
        while not self.over.is_set():
            counts: dict[str, int] = {}
            for pod in cluster.get("pods", namespace=namespace)["items"]:
                states = pod["status"].get("containerStatuses") or [{"state": {}}]
                if "running" in states[0]["state"]:
                    job = pod["metadata"]["labels"]["ftjob.dev/job"]
                    counts[job] = counts.get(job, 0) + 1
            self.most = max([self.most, *counts.values()])
            for job in cluster.get("finetunejobs", namespace=namespace)["items"]:
                status = job.get("status", {})
                if 0 < status.get("iteration", 0) < 7:  # which no worker reports at its end
                    self.heard.add(job["metadata"]["name"])
            time.sleep(0.2)


def test_a_controller_that_is_killed_at_any_moment_is_continued(controllers: Controllers) -> None:
    """SIGKILL at thirty random moments of ten lives: one worker at a time, and the right ends.

    Another one stands by, so that somebody is at work most of the time; every third kill begins a new life.
    """
    rng, watch = random.Random(7), PodWatch(controllers)
    controllers.settings = {**SETTINGS, "lease_seconds": 1}
    names = [f"{which}-{life}" for life in LIVES for which in ("one", "two")]
    watch.start()
    for _ in range(2):
        controllers.start()
    for number in range(KILLS):
        if number % 3 == 0:
            controllers.submit(names[number // 3])
        time.sleep(rng.uniform(0.3, 3.3))
        oldest = controllers.running.pop(0)
        oldest.send_signal(signal.SIGKILL)
        oldest.wait()
        controllers.start()
    ends = {name: controllers.wait(name, lambda status: "completionTime" in status) for name in names}
    watch.over.set()
    outcomes = {name: (status["state"], reasons(status)) for name, status in ends.items()}

    assert outcomes == {name: LIVES[name.partition("-")[2]] for name in names}
    assert watch.most == 1
    assert watch.heard, "no report came between the kills"
    assert len(controllers.names("jobs")) == sum(len(attempts) for _, attempts in outcomes.values())
