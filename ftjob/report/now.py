"""Where a run stands now, in words: progress, money, speed, and what happened last. Pure."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftjob.formatting import brief, dollars, duration, gib, number, percent
from ftjob.runfolder.status import Attempt, Status

if TYPE_CHECKING:
    from ftjob.report.facts import Facts


@dataclass(frozen=True)
class MoneyNow:
    """What was spent, and is to come, beside the budget."""

    usd: float
    whole: float
    """What the whole run will have cost."""
    budget: float | None
    text: str

    @property
    def is_over(self) -> bool:
        """Whether the run will cost more than its budget, as things stand."""
        return self.budget is not None and self.whole > self.budget


def money_now(facts: "Facts", status: Status) -> MoneyNow:
    """Return what a run has cost; `facts` may be older than `status`."""
    whole = status.usd if status.state.ended else max(status.usd, status.usd_estimate or 0.0)
    budget = facts.spec.budget.usd if facts.spec else None
    to_come = f", {dollars(whole - status.usd)} to come" if whole > status.usd else ""
    hours = facts.spec.budget.hours if facts.spec else None
    in_hours = f"budget {hours:g} h" if hours else "no budget"
    limit = in_hours if budget is None else f"budget {dollars(budget)}"
    return MoneyNow(status.usd, whole, budget, f"{dollars(status.usd)} spent{to_come}, {limit}")


def spent(status: Status) -> str:
    """Return what was spent, and for a run in progress its estimated total."""
    if status.state.ended or not status.usd_estimate:
        return dollars(status.usd)
    return f"{dollars(status.usd)} of {dollars(status.usd_estimate)}"


def progress_now(status: Status) -> str:
    """Return iterations, their share and the time to come; a dash where nobody knows."""
    if not status.max_iter:
        return "–"
    took, left = duration(status.seconds), duration(status.eta_seconds)
    share = status.iteration / status.max_iter
    time_left = f"in {took}" if status.state.ended else f"ETA {left}"
    return f"{status.iteration:,}/{status.max_iter:,}  {share:.0%}  {time_left}"


def figures_now(status: Status) -> list[str]:
    """Return loss, learning rate and accuracy."""
    best = ""
    if status.best_accuracy is not None and status.best_iteration is not None:
        best = f" (best {percent(status.best_accuracy)} at {status.best_iteration:,})"
    return [
        f"loss {number(status.loss)}",
        f"lr {number(status.learning_rate)}",
        f"accuracy {percent(status.accuracy)}{best}",
    ]


def computing_now(facts: "Facts", status: Status) -> list[str]:
    """Return what computes, how fast, and how much of the time it waits."""
    attempt = status.attempts[-1] if status.attempts else None
    speed, waiting = status.images_per_second, attempt.waiting if attempt else None
    parts = [
        f"{speed:.0f} images/s" if speed else "",
        gpu_use(status),
        f"{percent(waiting)} of it waiting for images" if waiting is not None else "",
        f"{where(attempt)} at {dollars(attempt.usd_per_hour)}/h" if attempt else "",
        f"engine {facts.plan.engine.name}" if facts.plan else "",
        f"snapshot {status.snapshot:,}" if status.snapshot is not None else "",
    ]
    return [part for part in parts if part]


def gpu_use(status: Status) -> str:
    """Return how busy the GPUs are and how full the fullest one's memory is; empty where nobody knows."""
    gpus = status.gpus
    if not gpus or status.state.ended:
        return ""
    shares = [each.utilization for each in gpus]
    fullest = max(gpus, key=lambda each: each.memory)
    memory = f"{fullest.memory / 2**30:.1f} of {gib(fullest.memory_total)}"
    if len(gpus) == 1:
        return f"GPU {shares[0]:.0%}, {memory}"
    return f"{len(gpus)} GPUs {min(shares):.0%} to {max(shares):.0%}, {memory}"


def where(attempt: Attempt) -> str:
    """Return an attempt's node, and whether it is a spot instance."""
    return f"{attempt.node}, spot" if attempt.spot else attempt.node


@dataclass
class RunEvents:
    """What happened to a run while it was watched, and its attempts before."""

    lines: list[tuple[float, str]] = field(default_factory=list)
    """Seconds since 1970, and a sentence."""
    _last: Status | None = None

    def see(self, status: Status, now: float | None = None) -> None:
        """Note what is new in a status."""
        moment = time.time() if now is None else now
        if self._last is None:
            self.lines += list(_earlier(status.attempts))
        else:
            self.lines += [(moment, text) for text in _changes(self._last, status)]
        self._last = status

    def last(self, most: int) -> list[tuple[float, str]]:
        """Return the newest, oldest first."""
        return self.lines[-most:] if most else []


def _earlier(attempts: Sequence[Attempt]) -> Iterator[tuple[float, str]]:
    for each in attempts:
        yield each.begun, f"attempt {each.attempt} begins on {where(each)}"
        if each.reason:
            took = f"{brief(each.seconds)}, {dollars(each.usd)}"
            yield each.begun + each.seconds, f"attempt {each.attempt} ends: {each.reason} ({took})"


def _changes(before: Status, now: Status) -> Iterator[str]:
    """Yield a sentence for each thing that two statuses tell apart."""
    if now.attempt != before.attempt:
        yield f"attempt {now.attempt} begins"
    if now.resumed and now.resumed != before.resumed:
        yield f"resumed at {now.resumed.iteration:,}"
    if now.accuracy is not None and (now.accuracy, now.best_iteration) != (
        before.accuracy,
        before.best_iteration,
    ):
        best = ", the best so far" if now.best_accuracy == now.accuracy != before.best_accuracy else ""
        yield f"accuracy {percent(now.accuracy)} at {now.iteration:,}{best}"
    if now.snapshot is not None and now.snapshot != before.snapshot:
        yield f"snapshot {now.snapshot:,} is complete"
    if now.state is not before.state or now.reason != before.reason:
        yield f"{now.state}: {now.reason}"
