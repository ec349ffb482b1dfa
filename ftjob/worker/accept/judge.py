"""Checks a result against what the spec's `accept` requires. Pure."""

from collections.abc import Iterator

from ftjob.plan.inputs import Baseline
from ftjob.report.compare.comparison import counted
from ftjob.report.compare.phrases import THAN
from ftjob.report.words import points, points_span
from ftjob.runfolder.records.acceptance import Acceptance, Requirement, Verdict
from ftjob.runfolder.records.predictions import Evaluated
from jobspec.spec import Accept
from jobspec.text import plain


def judge(accept: Accept, result: Evaluated, baseline: Baseline | None) -> Acceptance:
    """Return what is required of a result, and whether it was met; `result` is of `accept.on` where that is
    given. An `accept` that requires nothing is met."""
    evaluation = result.evaluation
    found = (_accuracy(accept, result), _per_class(accept, result), _not_below(accept, result, baseline))
    return Acceptance(
        on=accept.on,
        images=evaluation.images,
        accuracy=evaluation.accuracy,
        requirements=tuple(each for some in found for each in some),
    )


def _accuracy(accept: Accept, result: Evaluated) -> Iterator[Requirement]:
    required, reached = accept.accuracy, result.evaluation.accuracy
    if required is None:
        return
    message = f"accept.accuracy: {required:.4f} is required, {reached:.4f} was reached"
    yield Requirement(field="accept.accuracy", met=reached >= required, message=message)


def _per_class(accept: Accept, result: Evaluated) -> Iterator[Requirement]:
    required = accept.per_class
    if required is None:
        return
    recalls = {each: each.recall for each in result.evaluation.classes if each.recall is not None}
    weakest = min(recalls, key=lambda each: recalls[each], default=None)
    if weakest is None:
        return
    below = sum(recall < required for recall in recalls.values())
    others = f", and {below - 1} more are below" if below > 1 else ""
    message = (
        f"accept.per_class: {required:.4f} is required, {plain(weakest.name, 100)} reached "
        f"{recalls[weakest]:.4f} of {weakest.images} images{others}"
    )
    yield Requirement(field="accept.per_class", met=not below, message=message)


def _not_below(accept: Accept, result: Evaluated, baseline: Baseline | None) -> Iterator[Requirement]:
    """The run is not below the earlier one where the whole interval of the difference is above -margin."""
    if accept.not_below is None:
        return
    field = "accept.not_below"
    if baseline is None:
        yield Requirement(field=field, met=False, message=f"{field}: {accept.not_below} is this very run")
        return
    counts = counted(result, baseline.evaluated)
    if isinstance(counts, str):
        message = f"{field}: this run cannot be compared with {baseline.run}: {counts}"
        yield Requirement(field=field, met=False, message=message)
        return
    interval, least = counts.interval(), 0.0 - accept.margin
    verdict = Verdict.by(*interval)
    message = (
        f"{field}: {THAN[verdict]} {baseline.run}: {points(counts.difference)}, 95% interval "
        f"{points_span(interval)} on the same {counts.images} images; above {points(least)} is required"
    )
    yield Requirement(field=field, met=interval.low > least, message=message, verdict=verdict)
