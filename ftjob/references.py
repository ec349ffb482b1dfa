"""What a spec's `run:NAME` stands for: an earlier run's caffemodel, and the accuracy it reached; pure."""

from collections.abc import Callable
from pathlib import Path

from jobspec.spec import Accept, JobSpec

RUN_REFERENCE = "run:"
WeightsOf = Callable[[str], Path | str]
"""Gives the caffemodel that `run:NAME[@ITERATION]` means, from what follows `run:`."""
AccuracyOf = Callable[[str], float]
"""Gives the accuracy of the run that `run:NAME` means."""


def resolved(spec: JobSpec, weights_of: WeightsOf | None, accuracy_of: AccuracyOf | None) -> JobSpec:
    """Return a spec without references: each is replaced by what it stands for now."""
    weights = spec.base.weights
    if weights and weights.startswith(RUN_REFERENCE) and weights_of:
        weights = str(weights_of(weights.removeprefix(RUN_REFERENCE)))
    return spec.model_copy(
        update={
            "base": spec.base.model_copy(update={"weights": weights} if weights != spec.base.weights else {}),
            "accept": accepted(spec.accept, accuracy_of),
        }
    )


def accepted(accept: Accept, accuracy_of: AccuracyOf | None) -> Accept:
    """Return what is asked of the result as one accuracy: that of `not_below`'s run, where it is higher."""
    if accept.not_below is None or accuracy_of is None:
        return accept
    floor = accuracy_of(accept.not_below.removeprefix(RUN_REFERENCE))
    return Accept(accuracy=max(floor, accept.accuracy or 0.0))
