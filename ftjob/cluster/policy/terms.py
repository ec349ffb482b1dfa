"""The terms on which an attempt begins: its capacity, its price and what it may spend."""

from dataclasses import dataclass

from ftjob.cluster.resource.names import ON_DEMAND, SPOT


@dataclass(frozen=True)
class Terms:
    """The terms of one attempt, whose price holds until it ends."""

    attempt: int
    spot: bool
    usd_per_hour: float
    seconds_before: float
    """What this object's earlier attempts took."""
    usd_before: float
    seconds_left: float
    """What the budget still pays for at this price; infinite without one."""
    seconds_spent: float = 0.0
    """Of the budget: `seconds_before` plus what the run's folder had cost before this object."""

    @property
    def granted_usd(self) -> float:
        """Return the most that it may cost: all that its budget pays for, infinite without a budget."""
        return self.seconds_left / 3600 * self.usd_per_hour if self.usd_per_hour else 0.0

    @property
    def capacity(self) -> str:
        """Return the capacity label of its Job and pod."""
        return SPOT if self.spot else ON_DEMAND
