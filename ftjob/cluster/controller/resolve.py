"""Resolves what a spec names: `run:NAME` to the FineTuneJob of that name in the same namespace, `known:NAME`
to the address of published weights, which a pod opens."""

from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.resource.objects import read_fine_tune
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.errors import BadSpecError
from ftjob.net.zoo.published import with_published
from ftjob.runfolder.references import PinnedWeights, resolved
from jobspec import JobSpec
from jobspec.grammar import ALIAS_REFERENCE, RUN_REFERENCE


def without_references(spec: JobSpec, cache: Cache, namespace: str) -> JobSpec:
    """Return a spec as a pod gets it. Raises BadSpecError, which names what is missing."""

    def weights_of(reference: str) -> str:
        name, _, iteration = reference.partition("@")
        folder = _run(cache, namespace, name, "base.weights").folder
        kept = f"snapshots/iter_{iteration}.caffemodel" if iteration else "bundle/weights.caffemodel"
        return f"{folder}/{kept}"

    def folder_of(reference: str) -> str:
        if reference.startswith(ALIAS_REFERENCE):
            raise _in_the_store("accept.not_below", reference, "the URI of the run's folder")
        name = reference.removeprefix(RUN_REFERENCE)
        status = _run(cache, namespace, name, "accept.not_below")
        if not status.state.ended:
            raise BadSpecError(f"accept.not_below: {name} has not ended yet: wait for it")
        return status.folder or ""

    def pinned_of(reference: str) -> PinnedWeights:
        raise _in_the_store("base.weights", reference, "the URI of the caffemodel")

    return resolved(with_published(spec), weights_of, folder_of, pinned_of)


def _in_the_store(field: str, reference: str, instead: str) -> BadSpecError:
    return BadSpecError(
        f"{field}: {reference} is read from the store, which the controller does not open: `ftjob submit` "
        f"the spec, or give {instead}"
    )


def _run(cache: Cache, namespace: str, name: str, field: str) -> FineTuneStatus:
    item = cache.item(f"{namespace}/{name}")
    status = read_fine_tune(item).status if item else None
    if status is None or status.folder is None:
        raise BadSpecError(f"{field}: no FineTuneJob {name} with a run is in namespace {namespace}: name one")
    return status
