"""Pods and Jobs as they truly are, and what the workers in them do and say."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ftjob.cluster.policy.reports import newest_pod, report_of
from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.objects import AttemptJob, Pod
from ftjob.errors.outcomes import BY_EXIT_CODE
from ftjob.runfolder.progress import UNREAD_SECONDS, Progress
from tests.simulation.clockwork import Clockwork

MAX_ITER, SNAPSHOT, BATCH = 3000, 500, 60
POLL_SECONDS = 600.0
"""Between two looks at a running worker; rarer than in a real controller, which spares time here."""
WORD_SECONDS = 20
"""A worker at work writes its status at least that often."""
KEPT_SECONDS = 100
"""A pod that ended and was deleted is remembered for that long."""
SILENCE_SECONDS = 300
"""A node is silent for so long before its pods are deleted."""


@dataclass(eq=False)
class Worker:
    """A pod, and what its container truly does."""

    name: str
    job: str
    uid: str
    terms: Terms
    deadline: int | None
    grace: int
    created: int
    scheduled: int | None = None
    trains_from: int = 0
    begins_at: float = 0.0
    """The iteration of the snapshot that it went on from."""
    earlier: tuple[float, float] = (0.0, 0.0)
    """Seconds and dollars that its folder had cost when its object came to it."""
    last_words: str = ""
    """What it left at its end."""
    ended: int | None = None
    code: int | None = None
    reason: str = ""
    reported_end: bool = False
    """Whether its last word was of its end."""
    taken: bool = False
    """Whether it was taken away."""
    asked: bool = False
    """Whether it has had SIGTERM."""
    deleted: int | None = None
    silent: bool = False
    overdue: int | None = None
    """When an old kubelet called its pod failed, though its container ends later; the pod then stays so."""
    mute: bool = False
    """Whether nobody notices that an overdue one listens no more."""

    @property
    def alive(self) -> bool:
        return self.ended is None

    @property
    def works(self) -> bool:
        return self.alive and self.scheduled is not None

    def seconds(self, now: int) -> float:
        """Return what it truly took until now, from its scheduling on."""
        return 0.0 if self.scheduled is None else float((self.ended or now) - self.scheduled)

    def usd(self, now: int) -> float:
        return self.seconds(now) / 3600 * self.terms.usd_per_hour

    def word(self, now: int) -> int | None:
        """Return when it wrote its status last; None before it ever did."""
        until = now if self.ended is None else self.ended
        if self.reported_end:
            return self.ended
        if self.scheduled is None or until < self.trains_from:
            return None
        return self.trains_from + (until - self.trains_from) // WORD_SECONDS * WORD_SECONDS

    def seen(self) -> Pod:
        """Return it as the API server has it; on a silent node nothing changes any more."""
        overdue = self.overdue is not None and not self.silent
        over = self.ended is not None and not self.silent and not overdue
        ended = self.overdue if overdue else self.ended if over else None
        phase = "Failed" if overdue or (over and self.code) else "Succeeded" if over else "Running"
        return Pod(
            name=self.name,
            job=self.job,
            attempt=self.terms.attempt,
            phase=phase if self.scheduled is not None else "Pending",
            uid=self.uid,
            node="node0" if self.scheduled is not None else None,
            created=float(self.created),
            scheduled=None if self.scheduled is None else float(self.scheduled),
            running=self.scheduled is not None and not over and (self.alive or self.mute or not overdue),
            ended=None if ended is None else float(ended),
            exit_code=self.code if over else None,
            reason=self.reason if over or overdue else "",
            last_words=self.last_words if over else "",
            deleted=None if self.deleted is None else float(self.deleted),
            grace_seconds=float(self.grace),
            not_ready=self.silent,
        )


@dataclass(eq=False)
class Job:
    """The Job of an attempt."""

    name: str
    terms: Terms
    uid: str
    created: int
    deleted: bool = False
    finished: str | None = None
    finished_at: int | None = None

    def finish(self, how: str, now: int) -> None:
        self.finished, self.finished_at = how, now

    def seen(self) -> AttemptJob:
        return AttemptJob(
            name=self.name,
            attempt=self.terms.attempt,
            owner_uid=self.uid,
            created=float(self.created),
            deleted=self.deleted,
            finished=self.finished,
            finished_at=None if self.finished_at is None else float(self.finished_at),
            had_pods=self.finished is not None,
        )


class Cluster:
    """A node, a Job controller and a store, for one run."""

    def __init__(self, clock: Clockwork, rng: random.Random, changed: Callable[[], None]) -> None:
        self.clock, self.rng, self._changed = clock, rng, changed
        self.jobs: dict[str, Job] = {}
        self.pods: dict[str, Worker] = {}
        """Those that the API server has."""
        self.workers: list[Worker] = []
        """Those that ever were."""
        self.removed: Callable[[Worker], None] = lambda _: None
        """Called with pods that the API server has no more."""
        self.speed = rng.choice([0.2, 1.0, 5.0])
        self.cursed = rng.random() < 0.1
        self.prudent = rng.random() < 0.6
        """Whether workers end by themselves before their budget does."""
        self.is_old = rng.random() < 0.4
        """Whether its kubelet is of Kubernetes 1.20: see `Worker.overdue`."""
        self.lies = rng.random() < 0.2
        """Whether workers report what is not so: it must cost nobody less, nor stop anything."""
        self.snapshot = 0

    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def working(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.works]

    def create(self, job: Job, deadline: int | None, grace: int) -> None:
        """Make a Job and its pod, which is scheduled at once or much later."""
        self.jobs[job.name] = job
        name = f"{job.name}-{len(self.workers)}"
        worker = Worker(name, job.name, job.uid, job.terms, deadline, grace, self.clock.now)
        self.pods[name] = worker
        self.workers.append(worker)
        self.clock.after(self.rng.choice([0, 1, 60, 600, 5000]), partial(self._schedule, worker))

    def _schedule(self, worker: Worker) -> None:
        if not worker.alive or worker.deleted is not None:
            return None
        now = self.clock.now
        worker.scheduled = now
        worker.trains_from = now + self.rng.choice([5, 60, 300])
        worker.begins_at = self.snapshot
        worker.earlier = self._cost_before(worker)
        if any(each.code == 0 for each in self.workers):  # of an object that was deleted: the folder is done
            self.clock.at(worker.trains_from, partial(self.end, worker, 0))
            return self._changed()
        done = worker.trains_from + math.ceil((MAX_ITER - self.snapshot) / self.speed)
        self.clock.at(done, partial(self.end, worker, 0))
        if worker.deadline is not None:
            self.clock.at(now + worker.deadline, partial(self._overdue, worker))
            price = worker.terms.usd_per_hour
            before = max(worker.earlier[0], worker.earlier[1] / price * 3600 if price else 0.0)
            last_call = now + worker.deadline - before - worker.grace - 10
            if self.prudent and (before or last_call > worker.trains_from):
                self.clock.at(max(last_call, worker.trains_from), partial(self.end, worker, 9))
        if self.cursed:
            self.clock.at(worker.trains_from + 40, partial(self.end, worker, 6))
        return self._changed()

    def _cost_before(self, worker: Worker) -> tuple[float, float]:
        """Return what the folder had cost before a worker's object came, and what nobody accounted since."""
        words = [(word, each) for each in self.workers if (word := each.word(self.clock.now)) is not None]
        if not words:
            return 0.0, 0.0
        word, last = max(words, key=lambda each: each[0])
        took = word - (last.scheduled or word)
        seconds = last.terms.seconds_before + took
        usd = last.terms.usd_before + took / 3600 * last.terms.usd_per_hour
        if last.uid == worker.uid:
            seconds = max(0.0, seconds - worker.terms.seconds_before)
            usd = max(0.0, usd - worker.terms.usd_before)
        return last.earlier[0] + seconds, last.earlier[1] + usd

    def _overdue(self, worker: Worker) -> None:
        if worker.works:
            worker.reason = "DeadlineExceeded"
            if self.is_old:
                worker.overdue, worker.mute = self.clock.now, self.rng.random() < 0.3
                if worker.job in self.jobs:
                    self.jobs[worker.job].finish("Failed", self.clock.now)
                self._changed()
            self.ask(worker)

    def ask(self, worker: Worker) -> None:
        """Send SIGTERM: most workers make a snapshot and end, some are killed after their grace period."""
        if worker.asked or not worker.works:
            return
        worker.asked = True
        if self.rng.random() < 0.85:
            self.clock.after(self.rng.randint(1, worker.grace), partial(self.end, worker, 10))
        else:
            self.clock.after(worker.grace, partial(self.end, worker, 137))

    def end(self, worker: Worker, code: int, reason: str = "") -> None:
        """End a worker; codes that it chose itself are in its last word, after a snapshot."""
        if not worker.works:
            return
        now = self.clock.now
        chosen = code in BY_EXIT_CODE and code != 5
        iteration = self.iteration(worker, now)
        graceful = code in (0, 9, 10)
        self.snapshot = int(iteration) if graceful else self._snapshot(worker, now)
        if chosen:
            worker.last_words = self.report(worker, now, code).render().decode()
        worker.ended, worker.code, worker.reported_end = now, code, chosen
        worker.reason = worker.reason or reason
        worker.taken = worker.taken or (code == 10 and not worker.reason) or bool(reason)
        job = self.jobs.get(worker.job)
        if job:
            job.finish("Complete" if code == 0 else "Failed", now)
        if worker.deleted is not None:
            self.clock.after(KEPT_SECONDS, partial(self.remove, worker))
        if job:
            self._collect(job)
        self._changed()

    def delete(self, worker: Worker) -> None:
        """Delete a pod: one that runs is asked to end first."""
        if worker.deleted is not None:
            return
        worker.deleted = self.clock.now + worker.grace
        if worker.works and not worker.silent:
            self.ask(worker)
        elif not worker.silent:
            worker.ended = worker.ended or self.clock.now
            self.remove(worker)

    def delete_job(self, name: str) -> None:
        """Delete a Job after its pods."""
        job = self.jobs.get(name)
        if job is None or job.deleted:
            return
        job.deleted = True
        for worker in [each for each in self.pods.values() if each.job == name]:
            self.delete(worker)
        self._collect(job)

    def remove(self, worker: Worker) -> None:
        """Forget a pod."""
        if self.pods.pop(worker.name, None) is not None:
            self.removed(worker)
            job = self.jobs.get(worker.job)
            if job:
                self._collect(job)
        self._changed()

    def _collect(self, job: Job) -> None:
        pods = [each for each in self.pods.values() if each.job == job.name]
        if job.deleted and not any(each.alive or each.silent for each in pods):
            self.jobs.pop(job.name, None)
            self._changed()

    def kill(self, name: str) -> None:
        """Remove a pod at once, whatever runs in it."""
        worker = self.pods.get(name)
        if worker is None:
            return
        if worker.works:
            self._die(worker)
        worker.ended = worker.ended or self.clock.now
        self.remove(worker)

    def vanish(self, worker: Worker) -> None:
        """Lose a node for good, and the pod's object with it."""
        self._die(worker)
        worker.taken = True
        if worker.job in self.jobs:
            self.jobs[worker.job].finish("Failed", self.clock.now)
        self.remove(worker)

    def fall_silent(self, worker: Worker) -> None:
        """Lose a node whose pod the API server keeps: it is deleted after a while, and stays for ever."""
        self._die(worker)
        worker.silent = worker.taken = True
        self.clock.after(SILENCE_SECONDS, partial(self.delete, worker))

    def _die(self, worker: Worker) -> None:
        now = self.clock.now
        self.snapshot = self._snapshot(worker, now)
        worker.ended = now

    def iteration(self, worker: Worker, now: int) -> float:
        """Return how far a worker is."""
        return min(MAX_ITER, worker.begins_at + max(0, now - worker.trains_from) * self.speed)

    def _snapshot(self, worker: Worker, now: int) -> int:
        """Return the newest one that a worker made on its way."""
        made = int(self.iteration(worker, now)) // SNAPSHOT * SNAPSHOT
        return max(int(worker.begins_at), made)

    def report(self, worker: Worker, now: int, code: int | None = None) -> Progress:
        """Return what a worker reports when it is asked, or at its end."""
        if self.lies:
            return self._lie(worker)
        iteration = int(self.iteration(worker, now))
        return Progress(
            attempt=worker.terms.attempt,
            iteration=iteration,
            max_iter=MAX_ITER,
            snapshot=min(iteration, self._snapshot(worker, now) if code is None else self.snapshot),
            images_per_second=self.speed * BATCH,
            earlier_seconds=worker.earlier[0],
            earlier_usd=worker.earlier[1],
            exit_code=code,
        )

    def _lie(self, worker: Worker) -> Progress:
        rng, iteration = self.rng, self.rng.randint(0, MAX_ITER)
        return Progress(
            attempt=worker.terms.attempt + rng.choice([0, 0, 0, 1]),
            iteration=iteration,
            max_iter=MAX_ITER,
            snapshot=rng.choice([None, 0, iteration]),
            images_per_second=rng.choice([None, 0.0, 1e9]),
            eta_seconds=rng.choice([None, 0.0, 1e9]),
            reason=rng.choice(["", "AlreadyDone", "Completed", "TakenAway"]),
            exit_code=rng.choice([None, 0, 7, 9, 10]),
        )

    def heard(self, uid: str) -> tuple[Progress | None, str]:
        """Return what the newest worker of an object reports, as a controller takes it."""
        pods = [worker.seen() for worker in self.pods.values() if worker.uid == uid]
        newest = newest_pod(pods)
        worker = self.pods[newest.name] if newest else None
        answer, now = None, self.clock.now
        if worker is None or worker.silent or now < worker.trains_from:
            return report_of(pods, None)
        if worker.works:
            answer = self.report(worker, now)
        elif worker.asked and worker.last_words and now <= (worker.ended or 0) + UNREAD_SECONDS:
            answer = Progress.parse(worker.last_words.encode())
        return report_of(pods, answer)
