"""A sweep and its members as an API server has them, controllers that look at it, and the laws of its money.

A member is simpler here than in `world`: it waits, trains, spends at its price, and keeps its own budget, as
the lives of single runs prove.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from ftjob.cluster.policy.actions import WriteStatus
from ftjob.cluster.policy.sweeps.decide_parent import ChangeMember, CreateMember, ObservedSweep, decide_parent
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.member import SweepMember
from ftjob.cluster.resource.names import ANNOTATION_CANCEL
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.times import render_time
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State
from ftjob.sweep import retrying
from tests.cluster.unit.builders import NODES, NOW, spec

STEP, MAX_ITER, EVERY = 60, 40, 5
"""Seconds between two looks; iterations of a member, one a step; iterations between two tests."""
USD_PER_STEP = 0.9 / 60
LONGEST = 3000
EVENTS = {
    "controller_dies": 2,
    "dies_in_a_look": 4,
    "old_news": 3,
    "fails": 2,
    "is_deleted": 1,
    "is_cancelled": 1,
    "is_retried": 2,
    "cancelled": 1,
    "held": 1,
    "raised": 1,
}


@dataclass
class TrueMember:
    """A member as it is, not as anybody has written it down."""

    name: str
    uid: str
    budget: float
    climbs: float
    """Its accuracy at the end."""
    state: State = State.PENDING
    reason: str = ""
    iteration: int = 0
    usd: float = 0.0
    cancel: str | None = None
    suspended: bool = False

    def step(self) -> None:
        """Let a minute pass."""
        if self.state in (State.SUCCEEDED, State.FAILED) or self.reason == Reason.BUDGET_REACHED:
            return
        if self.cancel is not None:
            self.state, self.reason = State.STOPPED, Reason.CANCELLED
        elif self.suspended:
            self.state, self.reason = State.SUSPENDED, Reason.SUSPENDED
        elif self.state is not State.RUNNING:
            self.state, self.reason = State.RUNNING, Reason.RUNNING
        elif self.usd + USD_PER_STEP > self.budget:
            self.state, self.reason = State.STOPPED, Reason.BUDGET_REACHED
        else:
            self.usd, self.iteration = self.usd + USD_PER_STEP, self.iteration + 1
            if self.iteration == MAX_ITER:
                self.state, self.reason = State.SUCCEEDED, Reason.COMPLETED

    def seen(self) -> SweepMember:
        """Return what a controller's cache has of it."""
        tested = self.iteration - self.iteration % EVERY
        return SweepMember(
            owner_uid=self.uid,
            state=self.state,
            reason=self.reason,
            usd=self.usd,
            seconds=self.iteration * STEP,
            tested=tested or None,
            max_iter=MAX_ITER,
            accuracy=self.climbs * tested / MAX_ITER if tested else None,
            cancel=self.cancel,
            suspended=self.suspended,
        )


class SweepWorld:
    """What is true, and what controllers make of it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.now = rng, int(NOW)
        size = rng.randint(1, 5)
        rates = [round(0.001 * (each + 1), 3) for each in range(size)]
        search: dict[str, Any] = {"solver.base_lr": rates, "solver.momentum": [0.8, 0.9]}
        if rng.random() < 0.5:
            search = {"search": "random", "members": 2 * size, "solver.base_lr": {"min": 0.01, "max": 0.1}}
        if rng.random() < 0.5:
            search["halving"] = {"factor": rng.choice([2, 3]), "first": EVERY}
        self.parallel = rng.randint(1, 4)
        self.usd = rng.choice([0.3, 1.0, 3.0, 8.0])
        self.spec = spec(
            sweep={"parallel": self.parallel, **search},
            budget={"usd": self.usd},
            resources={"node": "p2.xlarge"},
        )
        self.annotations: dict[str, str] = {}
        self.status, self.version, self.generation = FineTuneStatus(), 1, 1
        self.members: dict[str, TrueMember] = {}
        self.gone: list[TrueMember] = []
        self.unseen: dict[str, TrueMember] = {}
        """Deleted before any controller saw them: they are made once more, and continue in their folder."""
        self.made: Counter[str] = Counter()
        self.happened: Counter[str] = Counter()
        self.absent_until = 0
        self.old: ObservedSweep | None = None
        self.shown: dict[str, SweepMember] = {}
        """What the cache shows of the members, which may be old."""
        self.left = rng.choice([0, 4, 12, 25])

    def story(self) -> str:
        return f"{dict(self.happened)} {self.status.state} {self.status.message}"

    def live(self) -> None:
        """Go on until the sweep has ended and nothing happens to it any more."""
        for _ in range(LONGEST):
            self.now += STEP
            for member in self.members.values():
                member.step()
            self.hold()
            if self.left and self.rng.random() < 0.1:
                self.left -= 1
                event = self.rng.choices(list(EVENTS), list(EVENTS.values()))[0]
                getattr(self, event)()
                self.happened[event] += 1
            if not self.left:
                self.calm()
            if self.now >= self.absent_until:
                self.look()
            if not self.left and self.status.state.ended and not self.running():
                return
        raise AssertionError(f"it does not end: {self.story()}")

    def calm(self) -> None:
        """From now on nobody holds anything."""
        self.absent_until = 0
        if ANNOTATION_CANCEL in self.annotations or self.spec.get("suspend"):
            self.annotations, self.spec = {}, {**self.spec, "suspend": False}
            self.version, self.generation = self.version + 1, self.generation + 1

    def running(self) -> list[TrueMember]:
        return [member for member in self.members.values() if not member.state.ended]

    def hold(self) -> None:
        """The laws of every moment."""
        spent = sum(member.usd for member in (*self.members.values(), *self.gone))
        assert spent <= self.usd + 1e-6, f"${spent:.4f} of ${self.usd}: {self.story()}"
        assert max(self.made.values(), default=0) <= 1, f"twice: {self.story()}"
        assert len(self.running()) <= self.parallel, f"more than {self.parallel}: {self.story()}"

    def observe(self) -> ObservedSweep:
        """Return what a controller sees: the sweep as it is, its members as they were a moment ago."""
        if self.rng.random() < 0.7:
            self.shown = {name: member.seen() for name, member in self.members.items()}
        return ObservedSweep(
            job=self.object(),
            members=self.shown,
            nodes={"p2.xlarge": NODES["p2.xlarge"]},
            config=Config(),
        )

    def object(self) -> FineTune:
        metadata = {
            "name": "emotions",
            "namespace": "team",
            "uid": "u-1",
            "generation": self.generation,
            "annotations": dict(self.annotations),
            "resourceVersion": str(self.version),
            "creationTimestamp": render_time(NOW),
        }
        return read_fine_tune({"metadata": metadata, "spec": self.spec, "status": self.status.to_json()})

    def look(self, seen: ObservedSweep | None = None, most: int = 10_000) -> None:
        """Observe, decide and act; a controller that dies does only the first actions."""
        seen = seen or self.observe()
        for action in decide_parent(seen, float(self.now))[:most]:
            if isinstance(action, WriteStatus):
                if seen.job.resource_version != str(self.version):
                    return
                self.status = FineTuneStatus.from_json(action.status.to_json())
                self.version += 1
            elif isinstance(action, CreateMember):
                self.create(action)
            elif isinstance(action, ChangeMember):
                self.change(action)

    def create(self, action: CreateMember) -> None:
        """Make a member; the API server refuses a name that is taken."""
        if action.name in self.members:
            return
        manifest = action.manifest
        made = TrueMember(
            action.name,
            manifest["metadata"]["ownerReferences"][0]["uid"],
            manifest["spec"]["budget"]["usd"],
            self.rng.random(),
        )
        if (earlier := self.unseen.pop(action.name, None)) is not None:
            self.gone.remove(earlier)  # its folder has what it cost, and where it was
            made.usd, made.iteration = earlier.usd, earlier.iteration
        else:
            self.made[action.name] += 1
        self.members[action.name] = made

    def change(self, action: ChangeMember) -> None:
        member = self.members.get(action.name)
        if member is None:
            return
        if "spec" in action.patch:
            member.suspended = action.patch["spec"]["suspend"]
            return
        member.cancel = action.patch["metadata"]["annotations"][ANNOTATION_CANCEL]

    # What happens.

    def controller_dies(self) -> None:
        self.absent_until = self.now + self.rng.choice([60, 600, 7200])

    def dies_in_a_look(self) -> None:
        self.look(most=self.rng.choice([0, 1, 2, 3]))
        self.controller_dies()

    def old_news(self) -> None:
        if self.old is not None:
            self.look(replace(self.old))
        self.old = self.observe()

    def any_running(self) -> TrueMember | None:
        return self.rng.choice(self.running() or [None])  # type: ignore[list-item]

    def fails(self) -> None:
        if member := self.any_running():
            member.state, member.reason = State.FAILED, Reason.DIVERGED

    def is_deleted(self) -> None:
        if member := self.any_running():
            self.gone.append(self.members.pop(member.name))
            records = self.status.sweep.members if self.status.sweep else ()
            if not any(each.name == member.name and each.state is not None for each in records):
                self.unseen[member.name] = member

    def is_cancelled(self) -> None:
        if member := self.any_running():
            member.cancel = "snapshot"

    def any_ended(self) -> TrueMember | None:
        """A member that an attempt more would bring on."""
        ended = [each for each in self.members.values() if each.state in (State.FAILED, State.STOPPED)]
        return self.rng.choice(ended or [None])  # type: ignore[list-item]

    def is_retried(self) -> None:
        """Somebody asks for another attempt of a member, which its controller refuses."""
        member = self.any_ended()
        if member and not retrying.refusal("emotions"):
            member.state, member.reason, member.cancel = State.PENDING, "", None

    def cancelled(self) -> None:
        there = ANNOTATION_CANCEL in self.annotations
        self.annotations = {} if there else {ANNOTATION_CANCEL: self.rng.choice(["snapshot", "now"])}
        self.version += 1

    def held(self) -> None:
        self.spec = {**self.spec, "suspend": not self.spec.get("suspend", False)}
        self.version, self.generation = self.version + 1, self.generation + 1

    def raised(self) -> None:
        self.usd *= 2
        self.spec = {**self.spec, "budget": {"usd": self.usd}}
        self.version, self.generation = self.version + 1, self.generation + 1
