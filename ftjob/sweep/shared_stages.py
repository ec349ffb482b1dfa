"""Stages that members of a sweep share: one of them trains each, the others wait and copy it. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from ftjob.runfolder.status import State, Status
from ftjob.sweep.record import MemberRecord
from jobspec.sweeps.members import Member


@dataclass(frozen=True)
class SharedStages:
    """The stages of a sweep's members, by name; empty where they have none."""

    stages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """All but the last of each member, as Member has them."""
    seconds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What each stage of a member will take, the last one included. Where nobody knows, all take the same."""

    @classmethod
    def of(cls, members: Iterable[Member], seconds: Mapping[str, tuple[float, ...]] | None = None) -> Self:
        """Return those of a sweep's members."""
        return cls({member.name: member.stages for member in members if member.stages}, seconds or {})

    def ready(self, names: Sequence[str], records: Sequence[MemberRecord]) -> str | None:
        """Return the first member that need not wait, of those that have not started: a member waits where
        another is about to complete a stage that both have, and that no member has completed before."""
        awaited = set(self._under_way(records)).difference(self._complete(records))
        return next((name for name in names if awaited.isdisjoint(self.stages.get(name, ()))), None)

    def weights(self, names: Sequence[str], records: Sequence[MemberRecord]) -> dict[str, int]:
        """Return what each member that has not started will pay, in any unit: for the stages that no member
        before it has, or is about to have."""
        there = {*self._complete(records), *self._under_way(records)}
        found = {}
        for name in names:
            stages = self.stages.get(name, ())
            seconds = self.seconds.get(name) or (1.0,) * (len(stages) + 1)
            own = [each for each, stage in zip(seconds, stages, strict=False) if stage not in there]
            found[name] = max(1, round(1000 * (sum(own) + seconds[-1]))) if stages else 1000
            there.update(stages)
        return found

    def _complete(self, records: Iterable[MemberRecord]) -> Iterator[str]:
        """Yield the stages that a member has completed."""
        for record in records:
            yield from self.stages.get(record.name, ())[: record.stages]

    def _under_way(self, records: Iterable[MemberRecord]) -> Iterator[str]:
        """Yield the stages that members which have not ended will complete."""
        for record in records:
            if record.is_open:
                yield from self.stages.get(record.name, ())[record.stages :]


def complete_stages(status: Status) -> int:
    """Return how many stages of a run are complete, first to last."""
    return sum(each.state is State.SUCCEEDED for each in status.stage_results)


def is_in_last_stage(status: Status) -> bool:
    """Whether a run's tests are those of its last stage, by which members are compared."""
    return not status.stage_results or status.stage_results[-1].state is not State.PENDING
