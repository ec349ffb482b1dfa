"""What runs have cost, by stage: in whole milliseconds and millionths of a dollar, so that sums are exact."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ftjob.errors import BadSpecError
from ftjob.money.amount import Amount, shares, total
from ftjob.runfolder.status import Attempt, Status

STAGES = ("start", "fetch", "open", "replay", "train", "test", "snapshot", "bundle", "other")
"""What an attempt's time goes into; `other` is what no worker reported."""
AGAIN = ("start", "fetch", "open", "replay")
"""Stages that an attempt after the first repeats only because an earlier one ended."""
UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
EARLIER = 0
"""The attempt number for costs that are known only as a sum."""


@dataclass(frozen=True)
class Charge:
    """What one attempt, or several together, have cost; the stages add up to the whole."""

    name: str
    run_id: str
    state: str
    """The run's, now."""
    whole: Amount
    stages: Mapping[str, Amount]
    lost: Amount
    """Of the whole, what was trained or begun again after an interruption."""
    saved: Mapping[str, Amount]
    """What would have been added, by what prevented it."""
    attempts: int = 1
    attempt: int | None = None
    """Its number; None for several."""
    node: str = ""
    usd_per_hour: float | None = None
    """None for several."""
    spot: bool | None = None
    """Whether that is a spot instance's price; None for several, and where it was not kept."""
    begun: float | None = None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values; docs/cost.md has every field."""
        return {
            "name": self.name,
            "run_id": self.run_id,
            "state": self.state,
            "attempts": self.attempts,
            "attempt": self.attempt,
            "node": self.node,
            "usd_per_hour": self.usd_per_hour,
            "spot": self.spot,
            "begun": self.begun,
            "reason": self.reason,
            **self.whole.to_json(),
            "stages": {stage: amount.to_json() for stage, amount in self.stages.items()},
            "lost": self.lost.to_json(),
            "saved": {reason: amount.to_json() for reason, amount in self.saved.items()},
        }


@dataclass(frozen=True)
class Bill:
    """Charges and their sum."""

    rows: tuple[Charge, ...]
    unknown: tuple[str, ...] = field(default=())
    """A sentence for each run that could not be read."""

    @property
    def total(self) -> Charge:
        return together(self.rows, name="total")

    def to_json(self) -> dict[str, Any]:
        """Return `ftjob cost -o json`."""
        rows = [row.to_json() for row in self.rows]
        return {"runs": rows, "total": self.total.to_json(), "unknown": list(self.unknown)}


def charges(status: Status, attempts: Iterable[Attempt]) -> list[Charge]:
    """Return what each attempt of a run has cost."""
    return [_charge(status, attempt, first=index == 0) for index, attempt in enumerate(attempts)]


def of_status(status: Status) -> list[Attempt]:
    """Return a run's attempts as its workers charged them, and one for what only their sum contains."""
    accounted = sum(attempt.seconds for attempt in status.attempts)
    missing, usd = status.seconds - accounted, status.usd - sum(attempt.usd for attempt in status.attempts)
    if missing < 1:  # rounding only
        return list(status.attempts)
    begun = status.submitted or 0.0
    return [Attempt(EARLIER, "", 0.0, begun, round(missing, 3), max(0.0, round(usd, 6))), *status.attempts]


def _charge(status: Status, attempt: Attempt, *, first: bool) -> Charge:
    whole = Amount(round(attempt.seconds * 1e3), round(attempt.usd * 1e6))
    stages = _stages(whole, attempt.stages)
    again = total(stages[stage] for stage in AGAIN) if not first else Amount()
    rate = whole.microdollars / whole.milliseconds if whole.milliseconds else attempt.usd_per_hour / 3.6

    def priced(seconds: float) -> Amount:
        return Amount(round(seconds * 1e3), round(seconds * 1e3 * rate))

    return Charge(
        name=status.name,
        run_id=status.run_id,
        state=str(status.state),
        whole=whole,
        stages=stages,
        lost=total([again, priced(attempt.lost_seconds)]),
        saved={reason: priced(seconds) for reason, seconds in attempt.saved_seconds.items()},
        attempt=attempt.attempt,
        node=attempt.node,
        usd_per_hour=attempt.usd_per_hour,
        spot=attempt.spot,
        begun=attempt.begun,
        reason=attempt.reason,
    )


def _stages(whole: Amount, seconds: Mapping[str, float]) -> dict[str, Amount]:
    """Return the stages, adjusted to add up: missing time is `other`, and surplus from differing clocks is
    taken from the longest."""
    spent = dict.fromkeys(STAGES, 0)
    for stage, took in seconds.items():
        spent[stage if stage in spent else "other"] += max(0, round(took * 1e3))
    surplus = sum(spent.values()) - whole.milliseconds
    spent["other"] += max(0, -surplus)
    while surplus > 0:
        longest = max(spent, key=lambda stage: spent[stage])
        cut = min(surplus, spent[longest])
        spent[longest] -= cut
        surplus -= cut
    paid = shares(whole.microdollars, list(spent.values()))
    return {stage: Amount(took, usd) for (stage, took), usd in zip(spent.items(), paid, strict=True)}


def together(rows: Iterable[Charge], name: str = "") -> Charge:
    """Return the sum of charges: of one run's attempts, or of several runs under a given name."""
    rows = list(rows)
    same = rows[0] if rows and not name else None
    saved: dict[str, Amount] = {}
    for row in rows:
        for reason, amount in row.saved.items():
            saved[reason] = total([saved.get(reason, Amount()), amount])
    return Charge(
        name=same.name if same else name,
        run_id=same.run_id if same else "",
        state=same.state if same else "",
        whole=total(row.whole for row in rows),
        stages={stage: total(row.stages[stage] for row in rows) for stage in STAGES},
        lost=total(row.lost for row in rows),
        saved=saved,
        attempts=sum(row.attempts for row in rows),
        node=", ".join(dict.fromkeys(row.node for row in rows if row.node)) if same else "",
        begun=min((row.begun for row in rows if row.begun is not None), default=None),
        reason=rows[-1].reason if same else "",
    )


def moment(text: str) -> float:
    """Return the time that `--since` means: 12h, 7d, 2w back from now, or a date or time, in UTC.

    Raises BadSpecError.
    """
    number, unit = text[:-1], text[-1:]
    if unit in UNITS and number.isdecimal():
        return time.time() - int(number) * UNITS[unit]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise BadSpecError(
            f"--since: {text!r} is no time: give hours, days or weeks such as 12h, 7d, 2w, or a date such as "
            "2026-11-22"
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
