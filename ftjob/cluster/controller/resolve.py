"""Resolves `run:NAME` in a cluster: to the FineTuneJob of that name in the same namespace."""

from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.errors import BadSpecError
from ftjob.runfolder.references import PinnedWeights, resolved
from jobspec import JobSpec


def without_references(spec: JobSpec, cache: Cache, namespace: str) -> JobSpec:
    """Return a spec as a pod gets it. Raises BadSpecError, which names the missing run."""

    def weights_of(reference: str) -> str:
        name, _, iteration = reference.partition("@")
        folder = _run(cache, namespace, name, "base.weights").folder
        kept = f"snapshots/iter_{iteration}.caffemodel" if iteration else "bundle/weights.caffemodel"
        return f"{folder}/{kept}"

    def accuracy_of(name: str) -> float:
        accuracy = _run(cache, namespace, name, "accept.not_below").accuracy
        if accuracy is None:
            raise BadSpecError(f"accept.not_below: {name} has no accuracy yet: wait for it to end")
        return accuracy

    def pinned_of(reference: str) -> PinnedWeights:
        raise BadSpecError(
            f"base.weights: {reference} is read from the store, which the controller does not open: "
            "`ftjob submit` the spec, or give the URI of the caffemodel"
        )

    return resolved(spec, weights_of, accuracy_of, pinned_of)


def _run(cache: Cache, namespace: str, name: str, field: str) -> FineTuneStatus:
    item = cache.item(f"{namespace}/{name}")
    status = read_fine_tune(item).status if item else None
    if status is None or status.folder is None:
        raise BadSpecError(f"{field}: no FineTuneJob {name} with a run is in namespace {namespace}: name one")
    return status
