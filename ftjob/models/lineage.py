"""Where a model came from: run by run, back to the first weights that no run made."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ftjob.bundle.contents import parse_manifest
from ftjob.errors import FtjobError
from ftjob.fs.documents import SMALL, explained
from ftjob.models.candidate import spec_of
from ftjob.models.current import MANIFEST, WEIGHTS, PromotedModel
from ftjob.models.promotion import Promotion
from ftjob.runfolder.address import names_of
from ftjob.runfolder.layout import BundleFolder, RunFolder, run_and_key
from ftjob.runfolder.records.evaluation import read_evaluation
from ftjob.runfolder.records.plan import PlanDocument, PlannedData, read_plan
from ftjob.runfolder.records.snapshot import parse_snapshot
from ftjob.runfolder.store import RunStore, stored
from ftjob.storage import MissingError
from jobspec import JobSpec, digest


@dataclass(frozen=True)
class SourceWeights:
    """The weights that a run began with."""

    location: str
    """The path or URI that they were read from."""
    digest: str | None
    """sha256 (hex) of the file then."""
    alias: str | None = None
    """The promotion that the spec meant, `alias:NAME@NUMBER`."""


@dataclass(frozen=True)
class SourceData:
    """A dataset that a run was trained or validated on."""

    location: str
    records: int
    digest: str | None
    """Of its records, as in its manifest."""


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """A run in a model's lineage, as its folder has it; what is not known is None."""

    name: str
    run_id: str
    location: str
    problem: str = ""
    """Why nothing more is known of the run; if it was read, what is wrong with it."""
    state: str | None = None
    accuracy: float | None = None
    right: int | None = None
    """Validation images classified correctly."""
    images: int | None = None
    spec: str | None = None
    """sha256 (hex) of the spec (jobspec.digest)."""
    net: str | None = None
    train: SourceData | None = None
    val: SourceData | None = None
    engine: str | None = None
    image: str | None = None
    """Of the worker's container, at its last attempt; None on a user's own machine."""
    ftjob: str | None = None
    """Version of the worker, at its last attempt."""
    weights: SourceWeights | None = None
    """None where it was trained from scratch."""

    @property
    def reference(self) -> str:
        """NAME/ID."""
        return f"{self.name}/{self.run_id}"


@dataclass(frozen=True)
class Lineage:
    """A model's runs, newest first."""

    runs: tuple[Ancestor, ...]
    promotion: Promotion | None = None
    """Of the alias that was asked for."""
    alias: str | None = None

    @property
    def first(self) -> SourceWeights | None:
        """The weights that no run made; None where the first run began without, or is not known."""
        weights = self.runs[-1].weights
        return weights if weights and run_and_key(weights.location) is None else None

    def svg(self) -> str:
        """Return it as a picture."""
        from ftjob.models.family_tree import draw_lineage  # here, because grandalf is slow to import

        return draw_lineage(self)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        return {
            "alias": self.alias,
            "promotion": self.promotion.to_json() if self.promotion else None,
            "runs": [dataclasses.asdict(run) for run in self.runs],
            "weights": dataclasses.asdict(self.first) if self.first else None,
        }


def lineage_of(location: str) -> Lineage:
    """Return the lineage of the run at a path or URI. Raises BadSpecError where that is no run's,
    StorageError where this run cannot be read; of earlier runs that is their `problem`."""
    return Lineage(tuple(_ancestors(location)))


def lineage_of_model(model: PromotedModel) -> Lineage:
    """Return the lineage of a promoted model. Raises as `lineage_of` does."""
    return replace(lineage_of(model.location), promotion=model.promotion, alias=str(model.alias))


def _ancestors(location: str) -> Iterator[Ancestor]:
    seen = {location}
    run = read_ancestor(location)
    while run.weights and (found := run_and_key(run.weights.location)):
        yield run
        before, key = found
        if before in seen:
            name, run_id = names_of(before)
            yield Ancestor(
                name=name,
                run_id=run_id,
                location=before,
                problem="is its own ancestor: plan.json was edited",
            )
            return
        seen.add(before)
        run = _earlier(before, key, run.weights)
    yield run


def _earlier(location: str, key: str, used: SourceWeights) -> Ancestor:
    """Return a run from which another took weights, as far as it can be read."""
    name, run_id = names_of(location)
    try:
        run = read_ancestor(location)
        now = _digest_now(stored(location), key)
    except MissingError:
        return _copied(location) or Ancestor(
            name=name, run_id=run_id, location=location, problem="its folder is gone"
        )
    except FtjobError as error:
        return Ancestor(name=name, run_id=run_id, location=location, problem=str(error))
    if now == used.digest:
        return run
    lost = "no longer has the weights that were used"
    return replace(run, problem=lost if now is None else "has other weights now than were used")


def _copied(location: str) -> Ancestor | None:
    """Return the run of a bundle that was copied to a folder called bundle; None where there is no bundle."""
    folder = RunFolder(Path(location))
    try:
        data = stored(location).store.read(MANIFEST, largest=SMALL)
    except MissingError:
        return None
    found = parse_manifest(data, BundleFolder(folder.bundle))
    return Ancestor(
        name=found.name,
        run_id=found.run_id,
        location=location,
        problem="is known from a copy of its bundle",
        accuracy=found.accuracy,
    )


def _digest_now(run: RunStore, key: str) -> str | None:
    """Return the sha256 that a run's records give a caffemodel; None where they no longer have it."""
    record = MANIFEST if key == WEIGHTS else key.replace(".caffemodel", ".json")
    try:
        data = run.store.read(record, largest=SMALL)
    except MissingError:
        return None
    if key == WEIGHTS:
        return parse_manifest(data, BundleFolder(run.folder.bundle)).files[Path(key).name]
    with explained(f"{run.location}/{record}"):
        found = parse_snapshot(data).files.get(Path(key).name)
    return found.sha256 if found else None


def read_ancestor(location: str) -> Ancestor:
    """Return a run as its folder has it, without its ancestors. Raises BadSpecError, StorageError, and
    MissingError where there is no folder."""
    name, run_id = names_of(location)
    run = stored(location)
    status, folder = run.status(), run.folder
    run.bring(folder.spec, folder.plan, folder.evaluation)
    with explained(folder.plan):
        plan = read_plan(folder.plan)
    right = images = accuracy = None
    if folder.evaluation.exists():
        with explained(folder.evaluation):
            evaluation = read_evaluation(folder.evaluation)
        accuracy, images = evaluation.accuracy, evaluation.images
        right = round(accuracy * images)
    spec, last = spec_of(run), status.attempts[-1] if status.attempts else None
    return Ancestor(
        name=name,
        run_id=run_id,
        location=location,
        state=status.state,
        accuracy=accuracy,
        right=right,
        images=images,
        spec=digest(spec),
        net=plan.base.net,
        train=_data(plan.train),
        val=_data(plan.val),
        engine=plan.engine.name,
        image=(last.image or None) if last else None,
        ftjob=(last.ftjob or None) if last else None,
        weights=_weights(plan, spec),
    )


def _data(planned: PlannedData) -> SourceData:
    return SourceData(planned.path, planned.records, planned.digest)


def _weights(plan: PlanDocument, spec: JobSpec) -> SourceWeights | None:
    base = plan.base
    return SourceWeights(base.weights, base.weights_digest, spec.base.weights_from) if base.weights else None
