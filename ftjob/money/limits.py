"""How far a budget goes."""

from dataclasses import dataclass
from math import inf
from typing import Self

from jobspec.spec import Budget


@dataclass(frozen=True)
class BudgetLimits:
    """The most that may be spent; None where there is no limit."""

    usd: float | None = None
    hours: float | None = None

    @classmethod
    def of(cls, budget: Budget) -> Self:
        """Return the limits that a spec states."""
        return cls(budget.usd, budget.hours)

    def seconds(self, usd_per_hour: float, spent_seconds: float = 0.0, spent_usd: float = 0.0) -> float:
        """Return how long a node of that price may be held after what was spent: infinite without a limit,
        negative where it is overdrawn."""
        usd, hours = self.usd, self.hours
        by_price = (usd - spent_usd) / usd_per_hour * 3600 if usd is not None and usd_per_hour else inf
        return min(by_price, hours * 3600 - spent_seconds if hours is not None else inf)
