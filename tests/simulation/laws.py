"""What must hold, whatever happens: judged by the truth, not by the controller's books."""

from itertools import pairwise
from typing import TYPE_CHECKING

from ftjob.cluster.policy.actions import CreateJob
from ftjob.cluster.resource.names import ANNOTATION_CANCEL, ANNOTATION_RETRY
from tests.simulation.cluster import POLL_SECONDS, WORD_SECONDS, Worker

if TYPE_CHECKING:
    from tests.simulation.world import World

FINAL = frozenset({2, 3, 4, 7, 8, 11, 12})
"""Exit codes after which a run is not tried again."""
JUMP = 3600
START_SECONDS = 300
"""Before a worker trains, and reports."""
CLOCKS = 5.0
"""Seconds for an attempt: deadlines are rounded up, and looks take their time."""


class Laws:
    """The truth about money, and every law."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.unbooked_usd = self.unbooked_seconds = 0.0
        """What the books may lack: pods that died before they said a word."""
        self.overbooked_seconds = 0.0
        """What the books may have too much: pods that nobody saw end."""
        self.floor = (0.0, 0.0)
        """Dollars and seconds that were spent when a controller saw a lowered budget."""
        self.unknown_usd = self.unknown_seconds = 0.0
        """What a new object does not know of before its first worker reports."""
        self.learns = False
        """Whether no worker of a new object has reported that yet."""
        self.unattended = False
        """Whether no controller has seen the budget as it is."""
        self.begun_with: tuple[float | None, float | None] = (None, None)
        """Dollars and hours of the budget by which the last attempt was begun."""
        self.unseen: list[Worker] = []
        self.missed: set[str] = set()
        """Pods that were gone before a controller saw them end: the next worker finds what they did."""
        self.final: Worker | None = None
        self.attempts: set[str] = set()

    # What is true.

    def usd(self) -> float:
        return sum(worker.usd(self.world.clock.now) for worker in self.world.cluster.workers)

    def seconds(self) -> float:
        return sum(worker.seconds(self.world.clock.now) for worker in self.world.cluster.workers)

    def price(self) -> float:
        """The highest that any attempt had."""
        return max((worker.terms.usd_per_hour for worker in self.world.cluster.workers), default=0.0)

    # What happens.

    def pod_removed(self, worker: Worker) -> None:
        """Note what the books cannot know of a pod that the API server has no more."""
        world = self.world
        booked = {life.pod for life in world.status.attempts if life.ended and life.scheduled}
        if worker.scheduled is None or worker.name in booked:
            return
        if not any(life.pod == worker.name and life.scheduled for life in world.status.attempts):
            self._not_booked(worker)  # nobody looked while it ran: its Job knows, or the next worker does
            self.overbooked_seconds += worker.scheduled - worker.created
        elif world.skew:
            self._not_booked(worker)
        self.unseen.append(worker)
        self.missed.add(worker.name)

    def _not_booked(self, worker: Worker) -> None:
        now = self.world.clock.now
        self.unbooked_usd += worker.usd(now)
        self.unbooked_seconds += worker.seconds(now)

    def object_deleted(self) -> None:
        """The next object knows nothing of this run before its first worker reports, and then what the folder
        says: what the workers wrote last."""
        self.final = None
        self.unknown_usd, self.unknown_seconds = self.usd(), self.seconds()
        self.learns = self.unknown_seconds > 0
        for worker in self.world.cluster.workers:
            if worker.scheduled is not None and not worker.reported_end:
                seconds = WORD_SECONDS + worker.grace + 310
                self.unbooked_seconds += seconds
                self.unbooked_usd += seconds / 3600 * worker.terms.usd_per_hour

    def somebody_looks(self) -> None:
        """A controller has seen the budget as it is now, and the pods that are gone."""
        now = self.world.clock.now
        for worker in self.unseen:
            if self.world.skew:
                self._not_booked(worker)
            self.overbooked_seconds += now - (worker.ended or now) + 30 + JUMP
        self.unseen.clear()
        if self.learns and self.world.status.earlier_seconds:
            self.learns = False
            self.floor = (self.usd(), self.seconds())
        if self.unattended:
            self.unattended = False
            self.floor = (self.usd(), self.seconds())

    def nobody_looks(self) -> None:
        """A budget that was lowered meanwhile is not kept: the pod has its deadline from before."""
        self.unattended = True

    def begins(self, action: CreateJob) -> None:
        """An attempt is made: is there money, is it alone, was the run not done, is it where it should be?"""
        world, terms = self.world, action.terms
        least = world.config.min_attempt_seconds - CLOCKS * len(world.cluster.workers)
        budget = action.request.budget
        self.begun_with = (budget.usd, budget.hours)
        if budget.usd is not None:
            needs = least / 3600 * terms.usd_per_hour
            most = budget.usd + self.unbooked_usd + self._unknown(self.unknown_usd)
            assert self.usd() + needs <= most + 1e-6, f"no money: {world.story()}"
        if budget.hours is not None:
            most = budget.hours * 3600 + self.unbooked_seconds + self._unknown(self.unknown_seconds)
            assert self.seconds() + least <= most, world.story()
        assert not world.day_is_spent or world.happened["old_news"], f"the day is spent: {world.story()}"
        assert not world.cluster.living(), f"two at a time: {world.story()}"
        ours = [each for each in world.cluster.workers if each.uid == f"u-{world.uid}"]
        done = [each for each in ours if each.code == 0 and each.name not in self.missed]
        assert not done, f"rerun: {world.story()}"
        self._not_final(terms.attempt)
        self._right_capacity(action)

    def _not_final(self, attempt: int) -> None:
        last = self.world.cluster.workers[-1:]
        asked = self.world.annotations.get(ANNOTATION_RETRY) == str(attempt - 1)
        if last and last[0].code in FINAL and last[0].terms.attempt == attempt - 1:
            unknown = last[0].name in self.missed or last[0].overdue is not None
            assert asked or unknown or self.final is not last[0], f"tried again: {self.world.story()}"
        self.final = None

    def _right_capacity(self, action: CreateJob) -> None:
        wanted = action.request.spec.resources.spot
        if wanted != "prefer":
            assert action.terms.spot is wanted, self.world.story()
        elif not action.terms.spot:
            taken = [each.ended or 0 for each in self.world.cluster.workers if each.terms.spot and each.taken]
            near = 3600 + 2 * JUMP  # an end that nobody saw is booked where it was missed
            assert any(after - before <= near for before, after in pairwise(sorted(taken))), (
                self.world.story()
            )

    def ends(self, name: str) -> None:
        """The controller ends an attempt: was that asked for, or was its budget lowered?"""
        world = self.world
        worker = next((each for each in world.cluster.working() if each.job == name), None)
        asked = world.spec.get("suspend") or ANNOTATION_CANCEL in world.annotations
        if worker is None or asked or worker.asked or worker.deleted is not None:
            return
        if world.skew and world.status.earlier_seconds:
            return  # what its folder had cost shortens it, which then goes by the controller's own clock
        reasons = ("lowered", "old_news", "applied_anew", "delete_job")
        assert any(world.happened[each] for each in reasons), f"ended early: {world.story()}"

    def _unknown(self, amount: float) -> float:
        """Return what no controller can know yet of what earlier objects spent."""
        return amount if self.learns else 0.0

    # What holds at every moment, and at the end.

    def hold(self) -> None:
        """No more is spent than the budget, and what one worker may take to end."""
        world = self.world
        working = world.cluster.working()
        assert len(working) <= 1, f"two at a time: {world.story()}"
        late = max((worker.grace for worker in world.cluster.workers), default=0)
        late += CLOCKS * len(world.cluster.workers)
        # What an overdue one did after its deadline is known from its own report at most.
        late += sum(worker.grace for worker in world.cluster.workers if worker.overdue is not None)
        shortened = world.happened["lowered"] + world.happened["applied_anew"]
        if world.happened["applied_anew"]:
            late += POLL_SECONDS + START_SECONDS  # what the folder had cost is known when its worker is asked
        if shortened and world.happened["clock_jumps"]:
            late += POLL_SECONDS + JUMP  # a clock that is behind notices so late that a budget is spent
        usd, hours = world.spec["budget"]["usd"], world.spec["budget"].get("hours")
        begun = self.begun_with if self.unattended else (None, None)
        most = max(usd, self.floor[0], begun[0] or 0.0) + late / 3600 * self.price() + self.unbooked_usd
        most += self._unknown(self.unknown_usd)
        assert self.usd() <= most + 1e-6, f"${self.usd():.4f} of ${usd}: {world.story()}"
        if hours is not None:
            most = max(hours * 3600, self.floor[1], (begun[1] or 0.0) * 3600) + late + self.unbooked_seconds
            most += self._unknown(self.unknown_seconds)
            assert self.seconds() <= most, f"{self.seconds()} s of {hours} h: {world.story()}"

    def hold_at_the_end(self) -> None:
        """Every life ends, and its books are right."""
        world = self.world
        self.somebody_looks()
        assert world.calm, f"it does not end: {world.story()}"
        assert world.ended, f"it does not end: {world.story()}"
        booked, few = world.status.seconds, CLOCKS * len(world.cluster.workers)
        # Of an end in the grace period an old kubelet writes nothing.
        few += sum(worker.grace for worker in world.cluster.workers if worker.overdue is not None)
        unknown = self.unbooked_seconds + self._unknown(self.unknown_seconds)
        assert booked >= self.seconds() - unknown - few, f"{booked} s booked: {world.story()}"
        assert booked <= self.seconds() + self.overbooked_seconds + few, f"{booked} s booked: {world.story()}"
