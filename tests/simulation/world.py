"""One FineTuneJob, the controller that looks at it, and the clock that it goes by."""

import math
import random
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

from ftjob.cluster.controller.manifests import grace_seconds, job_name
from ftjob.cluster.policy.actions import CreateJob, DeleteJob, KillPod, RequeueAfter, WriteStatus
from ftjob.cluster.policy.allowance import DailyAllowance
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.policy.job_context import Observed
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.nodes.profiles import Node
from tests.cluster.unit.builders import FIGURES, NODES, NOW, RUN_ID, spec
from tests.simulation.clockwork import Clockwork
from tests.simulation.cluster import POLL_SECONDS, Cluster, Job
from tests.simulation.laws import Laws

LADDER, HOURS = [0.02, 0.05, 0.2, 0.6, 2.0, 6.0], [0.05, 0.1, 0.3, 1.0, 3.0, 9.0]
MOST_LOOKS = 5000
PLANNED = FIGURES.model_copy(update={"seconds": 1200.0})


class World:
    """What is true, what the API server has, and what the controller makes of it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.clock = rng, Clockwork()
        self.cluster = Cluster(self.clock, rng, self.concern)
        self.config = Config(poll_seconds=POLL_SECONDS, max_disruptions=8)
        self.nodes: dict[str, Node] = {"p2.xlarge": NODES["p2.xlarge"]}
        self.skew = 0
        """How wrong the controller's clock is."""
        self.spot = rng.choice([False, True, "prefer"])
        self.spec = spec(
            resources={"node": "p2.xlarge", "spot": self.spot, "max_pending": rng.choice([1.5, 24.0])},
            budget={"usd": rng.choice(LADDER[1:-1])},
            data={"batch_size": 60},
        )
        if rng.random() < 0.3:
            self.spec["budget"]["hours"] = HOURS[LADDER.index(self.spec["budget"]["usd"])]
        self.annotations: dict[str, str] = {}
        self.status = FineTuneStatus()
        self.version, self.generation, self.uid = 1, 1, 1
        self.old: Observed | None = None
        self.alive, self.calm, self.day_is_spent = True, False, False
        self.looks = 0
        self.due: int | None = None
        self.happened: Counter[str] = Counter()
        self.laws = Laws(self)
        self.cluster.removed = self.laws.pod_removed
        self.concern()

    @property
    def ended(self) -> bool:
        """Whether nothing goes on, and nobody is about to look."""
        return self.status.state.ended and self.due is None and not self.cluster.living()

    def story(self) -> str:
        pods = [
            (each.name, each.scheduled, each.ended, each.code, each.reason) for each in self.cluster.workers
        ]
        return f"{dict(self.happened)} {self.status.state} {self.status.reason}: {self.status.message} {pods}"

    # What the API server has.

    def edited(self, **changes: Any) -> None:
        """Change the spec as its user may."""
        self.spec = {**self.spec, **changes}
        self.version, self.generation = self.version + 1, self.generation + 1
        self.concern()

    def annotated(self, **changes: str | None) -> None:
        """Add or remove annotations of ours."""
        named = {f"ftjob.dev/{name}": value for name, value in changes.items()}
        kept = {name: value for name, value in {**self.annotations, **named}.items() if value is not None}
        self.annotations = kept
        self.version += 1
        self.concern()

    def applied_anew(self) -> None:
        """Delete the object, with what belongs to it, and apply the same again."""
        for name in list(self.cluster.jobs):
            self.cluster.delete_job(name)
        self.laws.object_deleted()
        self.annotations, self.status, self.old = {}, FineTuneStatus(), None
        self.version, self.uid = self.version + 1, self.uid + 1
        self.concern()

    def observe(self) -> Observed:
        """Return what a controller sees at this moment."""
        uid = f"u-{self.uid}"
        job = FineTune(
            name="emotions",
            namespace="team",
            uid=uid,
            generation=self.generation,
            spec=self.spec,
            annotations=self.annotations,
            labels={},
            status=self.status,
            created=NOW,
            resource_version=str(self.version),
        )
        jobs = [each.seen() for each in self.cluster.jobs.values()]
        pods = [each.seen() for each in self.cluster.pods.values()]
        report, refused = self.cluster.heard(uid)
        return Observed(
            job=job,
            jobs=tuple(each for each in jobs if each.owner_uid == uid),
            pods=tuple(pod for pod in pods if pod.uid == uid),
            has_old_jobs=any(each.owner_uid != uid for each in jobs),
            old_pods=tuple(pod for pod in pods if pod.uid != uid and not pod.over),
            planned=PLANNED,
            report=report,
            report_refused=refused,
            nodes=self.nodes,
            config=self.config,
            allowance=DailyAllowance(10.0, 10.0 if self.day_is_spent else 0.0, 0.0, self.clock.now),
        )

    # What the controller does.

    def concern(self, seconds: float | None = None) -> None:
        """Have the object looked at, soon or after a while, or earlier where that was asked for before."""
        due = self.clock.now + (self.rng.randint(0, 2) if seconds is None else math.ceil(seconds))
        if self.due is None or due < self.due:
            self.due = due
            self.clock.at(due, partial(self._is_due, due))

    def _is_due(self, due: int) -> None:
        if due == self.due:
            self.due = None
            if self.alive:
                self.look()

    def die(self, seconds: float) -> None:
        """Have no controller for a while; what it was about to do is lost."""
        self.alive = False
        self.laws.nobody_looks()
        self.clock.after(seconds, self.revive)

    def revive(self) -> None:
        self.alive = True
        self.concern()

    def look(self, seen: Observed | None = None, most: int = 99) -> None:
        """Observe, decide and act; a controller that dies does only the first actions."""
        self.looks += 1
        fresh = seen is None
        seen = seen or self.observe()
        if fresh:
            self.laws.somebody_looks()
        for action in decide(seen, float(self.clock.now + self.skew))[:most]:
            if isinstance(action, WriteStatus):
                if seen.job.resource_version != str(self.version):
                    self.concern()
                    return  # the API server answers 409, and nothing further is done
                self.status = FineTuneStatus.from_json(action.status.to_json())
                self.version += 1
            elif isinstance(action, CreateJob):
                self._create(seen, action)
            elif isinstance(action, DeleteJob):
                self.laws.ends(action.name)
                self.cluster.delete_job(action.name)
            elif isinstance(action, KillPod):
                self.cluster.kill(action.name)
            elif isinstance(action, RequeueAfter):
                self.concern(action.seconds)

    def _create(self, seen: Observed, action: CreateJob) -> None:
        """Make a Job as the controller does it: all but the first after a look at the API server."""
        terms = action.terms
        name = job_name("emotions", RUN_ID, terms.attempt)
        pods = self.cluster.pods.values()
        ended = {each.job for each in pods if not each.alive and not each.silent}
        live = any(each.alive or each.silent for each in pods)
        jobs = self.cluster.jobs.values()
        under_way = any(not each.finished and not each.deleted and each.name not in ended for each in jobs)
        found = seen.job.status.attempt and (live or under_way)
        if found or name in self.cluster.jobs or seen.job.uid != f"u-{self.uid}":
            self.concern(1.0)
            return
        self.laws.begins(action)
        deadline = max(1, math.ceil(terms.seconds_left)) if math.isfinite(terms.seconds_left) else None
        grace = grace_seconds(action.figures, self.config, spot=terms.spot)
        self.cluster.create(Job(name, terms, seen.job.uid, self.clock.now), deadline, grace)
        self.concern()

    # Its whole life.

    def live(self) -> None:
        """Go on until nothing happens any more; the informers resync once in a while."""
        resyncs = 0
        while not (self.calm and self.ended) and self.looks < MOST_LOOKS and resyncs < 5:
            if not self.clock.step():
                resyncs += 1
                self.clock.after(600, self.look)
            self.laws.hold()

    def set_price(self, factor: float) -> None:
        """Change the node profile's price."""
        node = self.nodes["p2.xlarge"]
        price = NODES["p2.xlarge"].price
        changed = {"on_demand": price.on_demand * factor, "spot": (price.spot or 0.0) * factor}
        self.nodes = {"p2.xlarge": node.model_copy(update={"price": price.model_copy(update=changed)})}

    def suspend(self, *, held: bool) -> None:
        self.edited(suspend=held)

    def remember(self) -> None:
        self.old = self.observe()

    def act_on_old_news(self) -> None:
        """Be a controller that was cut off, and acts on what it saw long ago."""
        if self.old is not None:
            self.look(replace(self.old))
