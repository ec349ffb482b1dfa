"""What each namespace spends in a day, from the statuses in the cache.

Two runs that are reconciled at the same moment must not both begin on the same last dollars. A reconcile
that wants to begin an attempt therefore takes `turn`, computes, and writes its status before the next one
computes: the cache, and with it the ledger, has a written status at once. The ledger holds nothing that
statuses do not, except for deleted objects: what they cost today stays counted until the day or the
controller ends.
"""

import threading
from dataclasses import replace

from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.policy.allowance import (
    DAY,
    DailyAllowance,
    LedgerEntry,
    allowance_of,
    entry_of,
    usd_per_day,
)
from ftjob.cluster.policy.job_context import JobProblem
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.errors.outcomes import Reason


class Ledger:
    """The entries of runs, each rebuilt when its object has changed."""

    def __init__(self, cache: Cache) -> None:
        self.turn = threading.Lock()
        """Held from computing to writing by a reconcile that wants to begin an attempt."""
        self._cache = cache
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, tuple[int, LedgerEntry]]] = {}
        """By namespace and uid, with the version of the object that they were made from."""

    def limits(self, namespace: str) -> bool:
        """Return whether a namespace has a budget."""
        return self._cache.budget(namespace) is not None

    def allowance(self, job: FineTune, now: float) -> DailyAllowance | JobProblem | None:
        """Return what is left of the day for a run; a problem where the budget cannot be read."""
        budget = self._cache.budget(job.namespace)
        if budget is None:
            return None
        try:
            limit = usd_per_day(budget)
        except ValueError as error:
            return JobProblem(Reason.NAMESPACE_BUDGET, str(error), passing=True)
        entries = self._brought_up_to_date(job.namespace, now)
        own = entries.pop(job.uid, None)
        return allowance_of(limit, own, entries.values(), now)

    def _brought_up_to_date(self, namespace: str, now: float) -> dict[str, LedgerEntry]:
        """Return every entry of a namespace's day, including deleted objects'."""
        with self._lock:
            known = self._entries.setdefault(namespace, {})
            there = set()
            for cached in self._cache.cached_jobs(namespace):
                there.add(cached.uid)
                if cached.uid not in known or known[cached.uid][0] != cached.version:
                    known[cached.uid] = (cached.version, entry_of(read_fine_tune(cached.item())))
            for uid in known.keys() - there:
                gone = _gone(known.pop(uid)[1], now)
                if gone.spent_since(now - now % DAY, now):
                    known[uid] = (0, gone)
            return {uid: entry for uid, (_, entry) in known.items()}


def _gone(entry: LedgerEntry, now: float) -> LedgerEntry:
    """Return the entry of a deleted object, whose worker is being stopped."""
    records = (each if each.ended else each.model_copy(update={"ended": now}) for each in entry.records)
    return replace(entry, records=tuple(records), granted_usd=0.0)
