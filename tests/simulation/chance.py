"""What happens to a run at random: to its pods, its controller, its clock, its prices, and by its user."""

import random
from collections.abc import Callable

from tests.simulation.cluster import Worker
from tests.simulation.world import HOURS, LADDER, World

EVENTS: dict[str, int] = {
    "preempt": 9,
    "evict": 3,
    "drain": 2,
    "lose_node": 3,
    "silence": 1,
    "crash": 4,
    "give_up": 2,
    "delete_job": 1,
    "controller_dies": 2,
    "dies_in_a_look": 3,
    "old_news": 3,
    "clock_jumps": 3,
    "price_changes": 2,
    "day_is_spent": 1,
    "raised": 1,
    "lowered": 1,
    "held": 1,
    "cancelled": 1,
    "asked_to_retry": 1,
    "edited": 1,
    "applied_anew": 1,
}


class Chance:
    """Throws events at a world, and in the end leaves it alone."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.left = rng.choice([0, 3, 8, 16, 24])
        self.pause = rng.choice([60, 300, 1200])
        self._next()

    def _next(self) -> None:
        self.world.clock.after(self.rng.expovariate(1 / self.pause), self._happen)

    def _happen(self) -> None:
        world = self.world
        if self.left <= 0:
            self._calm()
            return
        self.left -= 1
        event = self.rng.choices(list(EVENTS), list(EVENTS.values()))[0]
        happens: Callable[[], bool | None] = getattr(self, event)
        if happens() is not False:
            world.happened[event] += 1
        self._next()

    def _calm(self) -> None:
        """From now on nothing happens but time, and the user holds nothing."""
        world = self.world
        world.calm, world.day_is_spent = True, False
        world.edited(suspend=False)
        world.annotated(cancel=None)
        if not world.alive:
            world.revive()

    def _worker(self) -> Worker | None:
        return next(iter(self.world.cluster.working()), None)

    def _hits(self, what: Callable[[Worker], None]) -> bool:
        worker = self._worker()
        if worker is not None:
            what(worker)
        return worker is not None

    # To its pods.

    def preempt(self) -> bool:
        """A notice comes, and the node goes after it."""
        return self._hits(lambda worker: self._notice(worker))

    def _notice(self, worker: Worker) -> None:
        worker.taken = True
        self.world.cluster.ask(worker)

    def evict(self) -> bool:
        return self._hits(lambda worker: self.world.cluster.end(worker, 137, "Evicted"))

    def drain(self) -> bool:
        def drained(worker: Worker) -> None:
            worker.taken = True
            self.world.cluster.delete(worker)

        return self._hits(drained)

    def lose_node(self) -> bool:
        return self._hits(self.world.cluster.vanish)

    def silence(self) -> bool:
        return self._hits(self.world.cluster.fall_silent)

    def crash(self) -> bool:
        code = self.rng.choice([1, 5, 5, 6, 6, 139])
        return self._hits(lambda worker: self.world.cluster.end(worker, code))

    def give_up(self) -> bool:
        """The worker ends for a reason that another attempt would not mend."""

        def ended(worker: Worker) -> None:
            job = self.world.cluster.jobs.get(worker.job)
            self.world.cluster.end(worker, self.rng.choice([2, 3, 4, 7, 8, 11, 12]))
            if job and job.uid == f"u-{self.world.uid}":  # else the object was applied anew meanwhile
                self.world.laws.final = worker

        return self._hits(ended)

    def delete_job(self) -> bool:
        def deleted(worker: Worker) -> None:
            worker.taken = True
            self.world.cluster.delete_job(worker.job)

        return self._hits(deleted)

    # To its controller.

    def controller_dies(self) -> None:
        self.world.die(self.rng.choice([10, 300, 7200]))

    def dies_in_a_look(self) -> None:
        if self.world.alive:
            self.world.look(most=self.rng.choice([0, 1, 2, 3]))
            self.world.die(self.rng.choice([5, 60]))

    def old_news(self) -> None:
        self.world.act_on_old_news()
        self.world.remember()

    def clock_jumps(self) -> None:
        self.world.skew = self.rng.choice([0, self.rng.randint(-3600, 3600)])

    def price_changes(self) -> None:
        self.world.set_price(self.rng.uniform(0.5, 2.0))

    def day_is_spent(self) -> None:
        """Other runs of the namespace spend what it has for the day; or the day turns."""
        self.world.day_is_spent = not self.world.day_is_spent

    # By its user.

    def raised(self) -> bool:
        return self._budget(1)

    def lowered(self) -> bool:
        return self._budget(-1)

    def _budget(self, steps: int) -> bool:
        """Go up or down the ladder of budgets; the hours, where they are limited, go along."""
        before = self.world.spec["budget"]
        step = LADDER.index(before["usd"]) + steps
        if not 0 <= step < len(LADDER):
            return False
        hours = {"hours": HOURS[step]} if "hours" in before else {}
        self.world.edited(budget={"usd": LADDER[step], **hours})
        self.world.laws.nobody_looks()
        return True

    def held(self) -> None:
        self.world.suspend(held=not self.world.spec.get("suspend", False))

    def cancelled(self) -> None:
        there = "ftjob.dev/cancel" in self.world.annotations
        self.world.annotated(cancel=None if there else self.rng.choice(["snapshot", "now"]))

    def asked_to_retry(self) -> None:
        self.world.annotated(retry=str(self.world.status.attempt))

    def edited(self) -> None:
        self.world.edited(solver={"base_lr": self.rng.choice([0.001, 0.01])})

    def applied_anew(self) -> None:
        self.world.applied_anew()
