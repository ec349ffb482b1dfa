"""What a namespace may spend in a day (UTC): a run that would exceed it waits for midnight or another's end.

A day's ledger holds what the pods of that day have cost and what attempts under way may still cost. An
attempt begins only if the most that it may cost fits; its budget and its pod's deadline enforce that amount.
A plan is only its user's estimate, so every run in such a namespace has to state a budget.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf, isfinite

from ftjob.cluster.policy.terms import Terms
from ftjob.cluster.resource.names import BUDGET_CONFIG_MAP, BUDGET_KEY
from ftjob.cluster.resource.objects import FineTune
from ftjob.cluster.resource.status import PodRecord
from ftjob.errors.outcomes import Reason
from ftjob.formatting import dollars
from ftjob.runfolder.status import State

DAY = 86400.0
UNDER_WAY = (State.PENDING, State.RUNNING, State.STOPPING)


@dataclass(frozen=True)
class DailyAllowance:
    """What is left of a namespace's day for one of its runs."""

    usd_per_day: float
    spent: float
    """By all its runs today, including this one."""
    reserved: float
    """What the attempts of other runs may still cost."""
    now: float

    @property
    def seconds_to_midnight(self) -> float:
        return DAY - self.now % DAY

    def refuses(self, terms: Terms) -> str:
        """Return why an attempt may not begin; empty where it may, as it always may if it costs nothing."""
        wanted = terms.granted_usd
        if wanted <= 0 or self.spent + self.reserved + wanted <= self.usd_per_day:
            return ""
        limit = f"the namespace may spend {dollars(self.usd_per_day)} a day (ConfigMap {BUDGET_CONFIG_MAP})"
        if not isfinite(wanted):
            return f"{limit}, and this run states no budget: set budget.usd to what it may cost at most"
        why = (
            f"{limit}: {dollars(self.spent)} is spent today, {dollars(self.reserved)} is kept for attempts "
            f"under way, and attempt {terms.attempt} may cost {dollars(wanted)}, all that is left of its "
            "budget"
        )
        if wanted > self.usd_per_day:
            return f"{why}, more than a whole day's: raise {BUDGET_KEY}, or lower budget.usd"
        return f"{why}; it begins when enough of that is released, or at 00:00 UTC"


@dataclass(frozen=True)
class LedgerEntry:
    """One run's share of the ledger."""

    records: tuple[PodRecord, ...]
    attempt: int
    granted_usd: float
    """Of the attempt under way; 0 where there is none, infinite where it has no budget."""
    usd_per_hour: float = 0.0
    """Its price."""

    def spent_since(self, begin: float, now: float) -> float:
        """Return what its pods cost from `begin` to now."""
        return sum(usd_between(record, begin, now) for record in self.records)

    def reserved(self, now: float) -> float:
        """Return what its attempt under way may still cost, until midnight where it has no budget."""
        own = sum(usd_between(record, 0.0, now) for record in self.records if record.attempt == self.attempt)
        today = (DAY - now % DAY) / 3600 * self.usd_per_hour
        return max(0.0, self.granted_usd - own) if isfinite(self.granted_usd) else today


def entry_of(job: FineTune) -> LedgerEntry:
    """Return the ledger entry of a FineTuneJob, from its status."""
    status = job.status
    over = any(record.attempt == status.attempt and record.ended is not None for record in status.attempts)
    waits = status.state is State.PENDING and status.reason == Reason.NAMESPACE_BUDGET
    under_way = status.state in UNDER_WAY and not over and not waits
    if not under_way or not status.attempt:
        return LedgerEntry(status.attempts, status.attempt, 0.0)
    price = status.usd_per_hour or 0.0
    granted = inf if status.granted_usd is None and price else status.granted_usd or 0.0
    return LedgerEntry(status.attempts, status.attempt, granted, price)


def allowance_of(
    usd_per_day: float, own: LedgerEntry | None, others: Iterable[LedgerEntry], now: float
) -> DailyAllowance:
    """Return what is left of a namespace's day for one run."""
    midnight = now - now % DAY
    others = tuple(others)
    everybody = others if own is None else (*others, own)
    spent = sum(entry.spent_since(midnight, now) for entry in everybody)
    return DailyAllowance(usd_per_day, spent, sum(entry.reserved(now) for entry in others), now)


def usd_between(record: PodRecord, begin: float, end: float) -> float:
    """Return what a pod cost between two times; a pod that still runs costs until the second."""
    if record.scheduled is None:
        return 0.0
    until = end if record.ended is None else min(record.ended, end)
    return max(0.0, until - max(record.scheduled, begin)) / 3600 * record.usd_per_hour


def usd_per_day(data: Mapping[str, str]) -> float:
    """Return the amount in the ConfigMap. Raises ValueError, with a message for the user."""
    text = data.get(BUDGET_KEY)
    try:
        value = float(text) if text is not None else float("nan")
    except ValueError:
        value = float("nan")
    if not isfinite(value) or value < 0:
        problem = f"{BUDGET_KEY} is missing" if text is None else f"{BUDGET_KEY} is {text!r}"
        raise ValueError(
            f"ConfigMap {BUDGET_CONFIG_MAP}: {problem}: write an amount in dollars, such as "
            f'{BUDGET_KEY}: "50"'
        )
    return value
