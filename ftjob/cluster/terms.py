"""On what terms an attempt begins: where, at which price, and what it may spend."""

from dataclasses import dataclass
from math import isfinite

from ftjob.cluster.names import ON_DEMAND, SPOT


@dataclass(frozen=True)
class Terms:
    """What one attempt is begun with; its own price holds until it ends."""

    attempt: int
    spot: bool
    usd_per_hour: float
    seconds_before: float
    """What all attempts before it are accounted with."""
    usd_before: float
    seconds_left: float
    """What the budget still pays for at this price; infinite without one."""
    estimated_usd: float = 0.0
    """What it takes to the end of the run, at most what the budget pays for."""

    @property
    def granted_usd(self) -> float:
        """Return what it may come to: all that its budget pays for, else the estimate."""
        return (
            self.seconds_left / 3600 * self.usd_per_hour
            if isfinite(self.seconds_left)
            else self.estimated_usd
        )

    @property
    def capacity(self) -> str:
        """Return what its Job and pod are labelled with."""
        return SPOT if self.spot else ON_DEMAND
