"""One run held against another: what became better, what worse. Pure."""

from dataclasses import dataclass
from typing import Any

from ftjob.report.facts import Facts


@dataclass(frozen=True)
class ClassChange:
    """The recall of one class in the other run and in this one."""

    name: str
    before: float
    now: float

    @property
    def change(self) -> float:
        return self.now - self.before


@dataclass(frozen=True)
class Comparison:
    """How a run stands to another. None is what one of them has not."""

    run: str
    """The other one, as NAME/ID."""
    accuracy: float | None
    """This run's less the other's."""
    usd: float
    seconds: float
    same_images: bool
    """Whether both were evaluated on the same validation images."""
    classes: tuple[ClassChange, ...]
    """Those that changed, the largest change first."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        changes = [{"name": each.name, "before": each.before, "now": each.now} for each in self.classes]
        whole = {"accuracy": self.accuracy, "usd": self.usd, "seconds": self.seconds}
        return {"run": self.run, **whole, "same_images": self.same_images, "classes": changes}


def compare(facts: Facts, other: Facts) -> Comparison:
    """Return how a run stands to another; classes are matched by name."""
    accuracy = None
    if facts.accuracy is not None and other.accuracy is not None:
        accuracy = facts.accuracy - other.accuracy
    now, before = facts.bill.total.whole, other.bill.total.whole
    return Comparison(
        run=other.run,
        accuracy=accuracy,
        usd=round(now.usd - before.usd, 6),
        seconds=round(now.seconds - before.seconds, 3),
        same_images=_judges(facts) is not None and _judges(facts) == _judges(other),
        classes=_changes(_recalls(other), _recalls(facts)),
    )


def _judges(facts: Facts) -> str | None:
    return facts.plan.val.digest if facts.plan else None


def _recalls(facts: Facts) -> dict[str, float]:
    classes = facts.evaluation.classes if facts.evaluation else ()
    return {each.name: each.recall for each in classes if each.recall is not None}


def _changes(before: dict[str, float], now: dict[str, float]) -> tuple[ClassChange, ...]:
    both = [ClassChange(name, before[name], now[name]) for name in now if name in before]
    changed = [each for each in both if each.before != each.now]
    return tuple(sorted(changed, key=lambda each: (-abs(each.change), each.name)))
