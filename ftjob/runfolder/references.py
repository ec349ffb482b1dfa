"""Resolves a spec's `run:NAME` and `alias:NAME` to an earlier run's caffemodel and accuracy; pure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobspec.grammar import ALIAS_REFERENCE, RUN_REFERENCE
from jobspec.locations import run_references, with_values
from jobspec.spec import Accept, JobSpec

WeightsOf = Callable[[str], Path | str]
"""Returns the caffemodel of `run:NAME[@ITERATION]`, given the text after `run:`."""


@dataclass(frozen=True)
class PinnedWeights:
    """What an alias means now."""

    location: str
    """The path or URI of the caffemodel."""
    reference: str
    """`alias:NAME@NUMBER`, which will always mean this."""


PinnedOf = Callable[[str], PinnedWeights]
"""Returns what `alias:NAME[@NUMBER]` means, given all of it."""
AccuracyOf = Callable[[str], float]
"""Returns the accuracy of the run in `run:NAME`."""


def resolved(
    spec: JobSpec,
    weights_of: WeightsOf | None,
    accuracy_of: AccuracyOf | None,
    pinned_of: PinnedOf | None = None,
) -> JobSpec:
    """Return the spec with each reference replaced by what it means now."""
    weights = run_references(spec).get("base.weights", "")
    if weights.startswith(ALIAS_REFERENCE) and pinned_of:
        pinned = pinned_of(weights)
        spec = with_values(spec, {"base.weights": pinned.location, "base.weights_from": pinned.reference})
    elif weights.startswith(RUN_REFERENCE) and weights_of:
        spec = with_values(spec, {"base.weights": str(weights_of(weights.removeprefix(RUN_REFERENCE)))})
    return spec.model_copy(update={"accept": accepted(spec.accept, accuracy_of)})


def accepted(accept: Accept, accuracy_of: AccuracyOf | None) -> Accept:
    """Return the required accuracy as a number: that of `not_below`'s run, where it is higher."""
    if accept.not_below is None or accuracy_of is None:
        return accept
    floor = accuracy_of(accept.not_below.removeprefix(RUN_REFERENCE))
    return Accept(accuracy=max(floor, accept.accuracy or 0.0))
