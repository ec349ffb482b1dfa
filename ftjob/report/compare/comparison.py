"""Compares runs with the first of them: what got better or worse, and whether the images show it. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ftjob.report.compare.differences import FieldValues, spec_differences
from ftjob.report.compare.intervals import Interval, PairedCounts, unpaired, wilson
from ftjob.report.facts import Facts
from ftjob.runfolder.records.acceptance import Verdict
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.runfolder.records.predictions import Evaluated, Prediction
from ftjob.runfolder.status import StageResult

FEWEST, MOST = 2, 20
"""Runs in a comparison."""


@dataclass(frozen=True)
class ComparedRun:
    """One run's figures; None where it has none."""

    run: str
    """NAME/ID."""
    state: str
    accuracy: float | None
    interval: Interval | None
    """Of the accuracy, 95 %."""
    images: int | None
    usd: float
    seconds: float
    attempts: int
    node: str
    stages: tuple[StageResult, ...] = ()
    """Of a run with stages, first to last."""


@dataclass(frozen=True)
class ClassRecalls:
    """One class's recall in every run."""

    name: str
    recalls: tuple[float | None, ...]
    """In the order of the runs; None where a run has not that class, or no images of it."""
    intervals: tuple[Interval | None, ...]

    @property
    def before(self) -> float | None:
        """In the first run."""
        return self.recalls[0]

    @property
    def now(self) -> float | None:
        """In the last run."""
        return self.recalls[-1]

    @property
    def change(self) -> float:
        """The largest change from the first run, 0 where it has no recall."""
        first, *others = self.recalls
        if first is None:
            return 0.0
        return max((each - first for each in others if each is not None), key=abs, default=0.0)


@dataclass(frozen=True)
class ChangedImage:
    """An image that only one of two runs answers right."""

    key: str
    label: str
    before: str
    """The class that the first run gave it."""
    now: str
    score: float | None
    """The probability of `now`."""

    @property
    def is_gained(self) -> bool:
        """Whether it is right now."""
        return self.now == self.label


@dataclass(frozen=True)
class Difference:
    """How a run stands to the first one."""

    run: str
    accuracy: float | None
    """Its accuracy less the first one's; None where either has none."""
    interval: Interval | None
    """Of that difference, 95 %."""
    verdict: Verdict | None
    unpaired: str
    """Why the two are not compared image by image, as a clause; empty where they are."""
    counts: PairedCounts | None
    """None where they are not compared image by image."""
    gained: tuple[ChangedImage, ...]
    """Wrong in the first run and right in this, the surest answers first."""
    lost: tuple[ChangedImage, ...]
    usd: float
    seconds: float

    @property
    def same_images(self) -> bool:
        """Whether both were evaluated on the same images."""
        return not self.unpaired


@dataclass(frozen=True)
class Comparison:
    """Runs beside one another; the others are compared with the first."""

    runs: tuple[ComparedRun, ...]
    differences: tuple[Difference, ...]
    """Of every run but the first."""
    classes: tuple[ClassRecalls, ...]
    """The largest change first."""
    spec: tuple[FieldValues, ...]
    """Fields of the spec that differ."""

    @property
    def changed_classes(self) -> list[ClassRecalls]:
        """Return the classes whose recall is not the same in all runs."""
        return [each for each in self.classes if len(set(each.recalls)) > 1]

    def to_json(self, most_images: int | None = None) -> dict[str, Any]:
        """Return plain values; docs/report.md has every field. Of changed images the first `most_images`."""
        return {
            "runs": [asdict(run) for run in self.runs],
            "differences": [_difference_json(each, most_images) for each in self.differences],
            "classes": [asdict(each) for each in self.classes],
            "spec": [asdict(each) for each in self.spec],
        }


def _difference_json(each: Difference, most_images: int | None) -> dict[str, Any]:
    counts = each.counts
    return {
        "run": each.run,
        "accuracy": each.accuracy,
        "interval": each.interval,
        "verdict": each.verdict,
        "same_images": each.same_images,
        "unpaired": each.unpaired or None,
        "counts": asdict(counts) if counts else None,
        "gained": [asdict(image) for image in each.gained[:most_images]],
        "lost": [asdict(image) for image in each.lost[:most_images]],
        "usd": each.usd,
        "seconds": each.seconds,
    }


def compare(runs: Sequence[Facts]) -> Comparison:
    """Return how runs stand to the first of them; classes are matched by name."""
    first, *others = runs
    return Comparison(
        runs=tuple(_compared(each) for each in runs),
        differences=tuple(_difference(each, first) for each in others),
        classes=_classes([each.evaluation for each in runs]),
        spec=spec_differences([each.spec for each in runs]),
    )


def counted(now: Evaluated, before: Evaluated) -> PairedCounts | str:
    """Return how many images each of two evaluations is right about, or a clause that says why the two cannot
    be compared image by image."""
    if why := _why_unpaired(now, before):
        return why
    assert now.predictions is not None
    assert before.predictions is not None
    rights = [(each.is_right, before.predictions[key].is_right) for key, each in now.predictions.items()]
    pairs = ((True, True), (True, False), (False, True), (False, False))
    return PairedCounts(*(rights.count(pair) for pair in pairs))


def _why_unpaired(now: Evaluated, before: Evaluated) -> str:
    if _names(now.evaluation) != _names(before.evaluation):
        return "they have other classes"
    if now.predictions is None or before.predictions is None:
        which = "this run" if now.predictions is None else "the earlier run"
        return f"{which} has no predictions.jsonl"
    if now.predictions.keys() != before.predictions.keys():
        return "they were not evaluated on the same images"
    if any(each.label != before.predictions[key].label for key, each in now.predictions.items()):
        return "the images were not labelled alike"
    return ""


def _names(evaluation: Evaluation) -> list[str]:
    return [each.name for each in evaluation.classes]


def _compared(facts: Facts) -> ComparedRun:
    evaluation, total = facts.evaluation, facts.bill.total
    nodes = dict.fromkeys(row.node for row in facts.bill.rows if row.node)
    return ComparedRun(
        run=facts.run,
        state=str(facts.status.state),
        accuracy=facts.accuracy,
        interval=wilson(_right(evaluation), evaluation.images) if evaluation and evaluation.images else None,
        images=evaluation.images if evaluation else None,
        usd=total.whole.usd,
        seconds=total.whole.seconds,
        attempts=total.attempts,
        node=", ".join(nodes) or (facts.plan.node.name if facts.plan else ""),
        stages=facts.status.stage_results,
    )


def _difference(facts: Facts, first: Facts) -> Difference:
    accuracy = None
    if facts.accuracy is not None and first.accuracy is not None:
        accuracy = facts.accuracy - first.accuracy
    now, before = facts.evaluated, first.evaluated
    counts = counted(now, before) if now and before else "one of them has no evaluation yet"
    interval = _interval(now, before, counts) if now and before else None
    whole, first_whole = facts.bill.total.whole, first.bill.total.whole
    changed = [] if isinstance(counts, str) or not now or not before else list(_changed(now, before))
    return Difference(
        run=facts.run,
        accuracy=accuracy,
        interval=interval,
        verdict=Verdict.by(*interval) if interval else None,
        unpaired=counts if isinstance(counts, str) else "",
        counts=None if isinstance(counts, str) else counts,
        gained=tuple(each for each in changed if each.is_gained),
        lost=tuple(each for each in changed if not each.is_gained),
        usd=round(whole.usd - first_whole.usd, 6),
        seconds=round(whole.seconds - first_whole.seconds, 3),
    )


def _interval(now: Evaluated, before: Evaluated, counts: PairedCounts | str) -> Interval | None:
    if not isinstance(counts, str):
        return counts.interval() if counts.images else None
    this, other = now.evaluation, before.evaluation
    if not (this.images and other.images) or _names(this) != _names(other):
        return None
    return unpaired(_right(this), this.images, _right(other), other.images)


def _right(evaluation: Evaluation) -> int:
    return round(evaluation.accuracy * evaluation.images)


def _changed(now: Evaluated, before: Evaluated) -> Iterator[ChangedImage]:
    """Yield the images that changed sides, the surest answers of `now` first."""
    assert now.predictions is not None
    assert before.predictions is not None
    names = _names(now.evaluation)
    pairs = [(each, before.predictions[key]) for key, each in now.predictions.items()]
    moved = [pair for pair in pairs if pair[0].is_right != pair[1].is_right]
    for each, earlier in sorted(moved, key=_surest):
        label, then, answer = (names[at] for at in (each.label, earlier.predicted, each.predicted))
        yield ChangedImage(each.key, label, then, answer, each.score)


def _surest(pair: tuple[Prediction, Prediction]) -> tuple[float, str]:
    return -(pair[0].score or 0.0), pair[0].key


def _classes(evaluations: Sequence[Evaluation | None]) -> tuple[ClassRecalls, ...]:
    results = [evaluation.classes if evaluation else () for evaluation in evaluations]
    found = [{each.name: each for each in classes} for classes in results]
    names = dict.fromkeys(name for classes in found for name in classes)
    rows = [_recalls(name, [classes.get(name) for classes in found]) for name in names]
    return tuple(sorted(rows, key=lambda each: (-abs(each.change), each.name)))


def _recalls(name: str, results: Sequence[ClassResult | None]) -> ClassRecalls:
    return ClassRecalls(
        name=name,
        recalls=tuple(each.recall if each else None for each in results),
        intervals=tuple(_recall_interval(each) if each else None for each in results),
    )


def _recall_interval(result: ClassResult) -> Interval | None:
    if result.recall is None or not result.images:
        return None
    return wilson(round(result.recall * result.images), result.images)
