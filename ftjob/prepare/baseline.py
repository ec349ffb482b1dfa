"""The earlier run of `accept.not_below`, read and checked to be comparable before anything is trained."""

from dataclasses import replace

from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.lmdb.datum import read_head
from ftjob.dataset.lmdb.read import exact_key, stored_records
from ftjob.errors import BadSpecError
from ftjob.plan.inputs import Baseline
from ftjob.plan.plan import Plan
from ftjob.runfolder.address import RunAddress, location_of
from ftjob.runfolder.records.predictions import PredictionsByKey, read_evaluated
from ftjob.runfolder.store import stored
from jobspec.grammar import REFERENCES
from jobspec.text import plain

FIELD = "accept.not_below"


def with_baseline(plan: Plan) -> Plan:
    """Return the plan with the evaluation of the earlier run that its result is compared with.

    The plan stays as it is if there is no such run, if it is not resolved yet, or if it is this run itself,
    submitted again.

    Raises BadSpecError where the two cannot be compared, StorageError where the other cannot
    be read.
    """
    spec = plan.spec
    location, own = spec.accept.not_below, location_of(spec.output, spec.name, plan.run_id)
    if location is None or location.startswith(REFERENCES) or location == own:
        return plan
    baseline = _read(location, on=spec.accept.on is not None)
    _check_classes(baseline, plan.labels)
    _check_images(baseline, plan.inputs.on or plan.inputs.val)
    return replace(plan, inputs=replace(plan.inputs, baseline=baseline))


def _read(location: str, *, on: bool) -> Baseline:
    run = RunAddress.parse(location).reference
    there = stored(location)
    folder = there.folder
    paths = (folder.evaluation, folder.predictions)
    if on:
        paths = (folder.on_evaluation, folder.on_predictions)
    there.bring(*paths)
    evaluated = read_evaluated(*paths)
    if evaluated is None:
        if on and there.has(folder.evaluation):
            raise BadSpecError(
                f"{FIELD}: {run} was never evaluated on a dataset of accept.on: name a run that was, "
                "or leave out accept.on"
            )
        raise BadSpecError(f"{FIELD}: {run} has no evaluation (yet): name a run that has ended")
    if evaluated.predictions is None:
        raise BadSpecError(
            f"{FIELD}: {run} has no {paths[1].name}, without which no image can be compared: an earlier "
            "ftjob evaluated it, or it has too many images; name another run"
        )
    return Baseline(str(run), evaluated)


def _check_classes(baseline: Baseline, labels: tuple[str, ...]) -> None:
    theirs = tuple(each.name for each in baseline.evaluated.evaluation.classes)
    if theirs == labels:
        return
    pairs = zip(theirs, labels, strict=False)
    other = next((f"{_quoted(mine)} is {_quoted(their)} there" for their, mine in pairs if their != mine), "")
    why = other or f"{len(theirs)} of them, and this run has {len(labels)}"
    raise BadSpecError(f"{FIELD}: {baseline.run} has other classes ({why}): name a run of the same classes")


def _check_images(baseline: Baseline, facts: DatasetFacts) -> None:
    """Raise BadSpecError for another dataset than the one that the earlier run was evaluated on.

    One that was not fetched to plan is checked where it is trained.
    """
    predictions = baseline.evaluated.predictions
    assert predictions is not None
    why = ""
    if facts.records != len(predictions):
        why = f"{len(predictions)} images there, {facts.records} in {facts.location}"
    elif facts.local and (strange := _strange_record(facts, predictions)):
        why = f"record {_quoted(strange)} of {facts.location} is not among them, or has another label"
    if why:
        raise BadSpecError(
            f"{FIELD}: {baseline.run} was not evaluated on the images of this run ({why}): name a run that "
            "was, or give the data that it was evaluated on"
        )


def _strange_record(facts: DatasetFacts, predictions: PredictionsByKey) -> str:
    """Return the key of the first record that has no prediction of its label; empty where all have."""
    for stored_key, value in stored_records(facts.path):
        key = exact_key(stored_key)
        found = predictions.get(key)
        if found is None or found.label != read_head(value).label:
            return key
    return ""


def _quoted(name: str) -> str:
    return repr(plain(name, 60))
