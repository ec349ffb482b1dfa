"""How a sweep stands as a whole: its state, its best member, and a sentence about both. Pure."""

from dataclasses import dataclass

from ftjob.errors.outcomes import Reason
from ftjob.formatting import percent
from ftjob.money.amount import Amount, total
from ftjob.runfolder.status import State
from ftjob.sweep.record import MemberRecord
from jobspec.sweeps.members import Member


@dataclass(frozen=True)
class SweepState:
    """A sweep's members, and what those that have started came to."""

    members: tuple[Member, ...]
    records: tuple[MemberRecord, ...]

    @property
    def best(self) -> MemberRecord | None:
        """The member with the best accuracy, the cheaper of two alike; those that reached their end first."""
        tested = [record for record in self.records if record.accuracy is not None]
        return max(
            tested,
            key=lambda each: (
                each.state is State.SUCCEEDED,
                each.accuracy,
                -each.spent_microdollars,
                -each.spent_milliseconds,
            ),
            default=None,
        )

    @property
    def spent(self) -> Amount:
        return total(record.spent for record in self.records)

    def sentence(self) -> str:
        """Return how many members there are and where they stand, and which is best."""
        made = {member.name: member for member in self.members}
        running = sum(record.is_open for record in self.records)
        waiting = len(made.keys() - {record.name for record in self.records})
        stopped = sum(record.stopped and not record.is_open for record in self.records)
        failed = sum(record.state is State.FAILED for record in self.records)
        ended = len(self.records) - running
        counts = {
            "running": running,
            "waiting": waiting,
            "ended": ended - stopped - failed,
            "stopped by halving": stopped,
            "failed": failed,
        }
        parts = [f"{count} {what}" for what, count in counts.items() if count]
        text = f"{len(made)} members: {', '.join(parts)}"
        if (best := self.best) and best.name in made:
            text += f"; best {best.name} with {percent(best.accuracy)} ({made[best.name].label})"
        return text

    def end(self) -> tuple[State, str]:
        """Return the state and the reason of a sweep that has ended: well if any member did."""
        states = [record.state for record in self.records]
        if State.SUCCEEDED in states:
            return State.SUCCEEDED, Reason.COMPLETED
        failed = [record.reason for record in self.records if record.state is State.FAILED]
        if failed:
            return State.FAILED, failed[0]
        return State.STOPPED, Reason.BUDGET_REACHED
