"""Resolves the earlier runs that a spec names, to a caffemodel and to a run's folder; pure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobspec.grammar import ALIAS_REFERENCE, RUN_REFERENCE
from jobspec.locations import run_references, with_values
from jobspec.spec import JobSpec

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
FolderOf = Callable[[str], str]
"""Returns the path or URI of the folder of the run that `run:NAME` or `alias:NAME` means, given all of it."""


def resolved(
    spec: JobSpec,
    weights_of: WeightsOf | None,
    folder_of: FolderOf | None,
    pinned_of: PinnedOf | None = None,
) -> JobSpec:
    """Return the spec with each reference replaced by what it means now."""
    found, values = run_references(spec), dict[str, str]()
    weights, baseline = found.get("base.weights", ""), found.get("accept.not_below")
    if weights.startswith(ALIAS_REFERENCE) and pinned_of:
        pinned = pinned_of(weights)
        values |= {"base.weights": pinned.location, "base.weights_from": pinned.reference}
    elif weights.startswith(RUN_REFERENCE) and weights_of:
        values["base.weights"] = str(weights_of(weights.removeprefix(RUN_REFERENCE)))
    if baseline and folder_of:
        values["accept.not_below"] = folder_of(baseline)
    return with_values(spec, values)
