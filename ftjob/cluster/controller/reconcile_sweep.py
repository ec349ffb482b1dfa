"""Reconciles one FineTuneJob that is a sweep: observe, decide, act."""

from dataclasses import dataclass

from ftjob.cluster.controller.apiserver import Api, ConflictError, GoneError
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.events import Events
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.actions import RecordEvent, RequeueAfter, WriteStatus
from ftjob.cluster.policy.sweeps.decide_parent import (
    ChangeMember,
    CreateMember,
    ObservedSweep,
    SweepAction,
    decide_parent,
)
from ftjob.cluster.resource.config import Config
from ftjob.cluster.resource.objects import FineTune, Object, read_fine_tune


@dataclass
class SweepReconciler:
    """Observes sweeps and carries out what decide_parent() returns."""

    api: Api
    cache: Cache
    queue: WorkQueue
    events: Events
    clock: Clock
    config: Config
    profiles: Profiles

    def reconcile(self, key: str, item: Object) -> None:
        """Reconcile one sweep. Raises what the client raises; the object is then queued again."""
        seen = self.observe(key, read_fine_tune(item))
        for action in decide_parent(seen, self.clock.now()):
            if not self.act(key, item, seen.job, action):
                return

    def observe(self, key: str, job: FineTune) -> ObservedSweep:
        """Return what is known of a sweep now."""
        members = self.cache.members(key)
        own = {name: member for name, member in members.items() if member.owner_uid == job.uid}
        return ObservedSweep(
            job=job,
            members=own,
            strangers=tuple(members.keys() - own.keys()),
            nodes=self.profiles.current(),
            config=self.config,
        )

    def act(self, key: str, item: Object, job: FineTune, action: SweepAction) -> bool:
        """Carry out one action; return whether the others may follow."""
        match action:
            case WriteStatus():
                try:
                    self.cache.assume_status(self.api.write_status(item, action.status))
                except ConflictError:
                    self.queue.add_after(key, 0.05)  # we acted on an old version: the newer one is on its way
                    return False
            case RecordEvent():
                self.events.record(job, action)
                log(action.message, job=key, reason=action.reason)
            case CreateMember():
                self._create(key, job, action)
            case ChangeMember():
                self._change(job, action)
            case RequeueAfter():
                self.queue.add_after(key, action.seconds)
        return True

    def _create(self, key: str, job: FineTune, action: CreateMember) -> None:
        try:
            self.api.create_fine_tune(job.namespace, action.manifest)
        except ConflictError:  # ours, which the cache lacks yet; or somebody else's
            self.queue.add_after(key, 2.0)
            return
        log("member created", job=key, name=action.name)

    def _change(self, job: FineTune, action: ChangeMember) -> None:
        try:
            self.api.patch_fine_tune(job.namespace, action.name, action.patch)
        except GoneError:
            return  # its deletion is on its way, and is reason to look again
        log("member changed", job=f"{job.namespace}/{action.name}", patch=str(action.patch))
