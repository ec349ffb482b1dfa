"""On what terms an attempt begins: where, at which price, and what it may spend."""

from dataclasses import dataclass

from ftjob.cluster.resource.names import ON_DEMAND, SPOT


@dataclass(frozen=True)
class Terms:
    """What one attempt is begun with; its own price holds until it ends."""

    attempt: int
    spot: bool
    usd_per_hour: float
    seconds_before: float
    """What this object's attempts before it are accounted with."""
    usd_before: float
    seconds_left: float
    """What the budget still pays for at this price; infinite without one."""
    seconds_spent: float = 0.0
    """Of the budget: `seconds_before`, and what the run's folder had cost before this object."""

    @property
    def granted_usd(self) -> float:
        """Return what it may come to: all that its budget pays for, infinite without one."""
        return self.seconds_left / 3600 * self.usd_per_hour if self.usd_per_hour else 0.0

    @property
    def capacity(self) -> str:
        """Return what its Job and pod are labelled with."""
        return SPOT if self.spot else ON_DEMAND
