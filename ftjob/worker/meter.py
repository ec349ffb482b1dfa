"""What a run has cost: earlier attempts as accounted, and this one from its beginning.

On a cluster an attempt begins when its pod reaches its node: pulling the image and fetching the data are paid
for too.
"""

import time
from dataclasses import dataclass

from ftjob.money.limits import BudgetLimits
from ftjob.nodes.profiles import Node
from ftjob.runfolder.status import Status
from ftjob.worker.owner import Owner
from ftjob.worker.pod.context import PodContext
from jobspec import JobSpec


@dataclass(frozen=True)
class Account:
    """What was spent before, what an hour costs now, and since when."""

    seconds_before: float
    usd_before: float
    usd_per_hour: float
    begun: float
    """Seconds since 1970."""
    clock: float
    """time.monotonic() at `begun`, even where the process began later."""
    spot: bool = False
    """Whether the price is a spot instance's."""

    @property
    def elapsed(self) -> float:
        """Seconds of this attempt so far."""
        return time.monotonic() - self.clock

    @property
    def seconds(self) -> float:
        """Seconds over all attempts so far."""
        return self.seconds_before + self.elapsed

    @property
    def usd(self) -> float:
        """Dollars over all attempts so far."""
        return self.usd_before + self.cost(self.elapsed)

    def cost(self, seconds: float) -> float:
        """Return the dollars of so many seconds of this attempt."""
        return seconds / 3600 * self.usd_per_hour

    def left(self, budget: BudgetLimits) -> float:
        """Return the seconds that a budget still pays for; infinite without one, negative when overdrawn."""
        return budget.seconds(self.usd_per_hour, self.seconds, self.usd)


def open_account(spec: JobSpec, node: Node, before: Status | None, owner: Owner, pod: PodContext) -> Account:
    """Return the account of an attempt that begins now, or began when its pod reached its node.

    In a cluster the earlier costs are the controller's figures for its object's pods, plus what the folder
    had spent before that object; elsewhere they are those of the last status.
    """
    now, clock = time.time(), time.monotonic()
    accounts = pod.accounts
    if accounts is None:
        price = node.usd_per_hour(spot=spec.resources.begins_on_spot)
        spent = (before.seconds, before.usd) if before else (0.0, 0.0)
        return Account(*spent, price, now, clock, spec.resources.begins_on_spot)
    # a node's clock that was put back must not lengthen a budget
    waited = 0.0 if accounts.begun is None else max(0.0, now - accounts.begun)
    price = accounts.usd_per_hour
    return Account(
        seconds_before=owner.seconds_before + accounts.seconds_before,
        usd_before=owner.usd_before + accounts.usd_before,
        usd_per_hour=price,
        begun=now - waited,
        clock=clock - waited,
        spot=spec.resources.begins_on_spot and price == node.price.spot,
    )
