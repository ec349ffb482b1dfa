"""The plan: all that is decided about a run before it starts, one value made by one pure function."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftjob.data.facts import DatasetFacts
from ftjob.errors import BadDataError, BadSpecError
from ftjob.net.heads import Head
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter
from ftjob.net.prototxt import to_text
from ftjob.net.solver import solver_param
from ftjob.net.sources import DataLayers
from ftjob.net.surgery import operate
from ftjob.net.transfer import LayerTransfer, check_transfer, plan_transfer
from ftjob.net.weights import LayerWeights
from jobspec.spec import JobSpec

RUN_ID_LENGTH = 10
LARGEST_TEST_BATCH = 50
SNAPSHOT_PREFIX = "snapshots/caffe"
"""For those who run the folder's solver.prototxt with Caffe's own tools; ftjob names its snapshots itself."""


@dataclass(frozen=True)
class Weights:
    """A source caffemodel: where it is and what is in it."""

    path: Path
    digest: str
    layers: tuple[LayerWeights, ...]


@dataclass(frozen=True)
class Inputs:
    """What was found at the places the spec names."""

    spec: JobSpec
    net: NetParameter
    weights: Weights | None
    train: DatasetFacts
    val: DatasetFacts
    mean: tuple[float, ...] = ()
    """One value per channel (BGR); empty where nothing or a mean image is subtracted."""
    mean_file: Path | None = None
    """A .binaryproto to subtract instead."""
    mean_file_digest: str = ""


@dataclass(frozen=True)
class Plan:
    """What will be run. `train_val`, `deploy` and `solver` are the files that Caffe is given."""

    inputs: Inputs
    run_id: str
    labels: tuple[str, ...]
    train_val: NetParameter
    deploy: NetParameter
    solver: SolverParameter
    heads: tuple[Head, ...]
    renamed: Mapping[str, str]
    frozen: tuple[str, ...]
    transfer: tuple[LayerTransfer, ...]

    @property
    def spec(self) -> JobSpec:
        return self.inputs.spec

    @property
    def main_head(self) -> Head:
        """The head that deploy keeps and accuracy is told of."""
        return next(head for head in self.heads if head.main)

    @property
    def images_per_iteration(self) -> int:
        return self.spec.data.batch_size * self.spec.solver.iter_size

    def to_json(self) -> dict[str, Any]:
        """Return the values of plan.json and `ftjob plan -o json`."""
        return {
            "name": self.spec.name,
            "run_id": self.run_id,
            "labels": list(self.labels),
            "train": _facts_json(self.inputs.train),
            "val": _facts_json(self.inputs.val),
            "mean": list(self.inputs.mean),
            "mean_file": str(self.inputs.mean_file) if self.inputs.mean_file else None,
            "weights_digest": self.inputs.weights.digest if self.inputs.weights else None,
            "heads": [dataclasses.asdict(head) for head in self.heads],
            "renamed": dict(self.renamed),
            "frozen": list(self.frozen),
            "transfer": [dataclasses.asdict(layer) for layer in self.transfer],
            "max_iter": self.solver.max_iter,
            "test_interval": self.solver.test_interval,
            "snapshot": self.solver.snapshot,
            "images_per_iteration": self.images_per_iteration,
            "epochs": self.solver.max_iter * self.images_per_iteration / self.inputs.train.records,
        }


def make_plan(inputs: Inputs) -> Plan:
    """Decide a run from what was found.

    Raises BadSpecError, BadNetError or BadDataError, each naming the field, layer or record at fault.
    """
    spec = inputs.spec
    labels = class_names(spec, inputs.train, inputs.val)
    operation = operate(inputs.net, spec.surgery, len(labels), data_layers(inputs), suffix=spec.name)
    sources = inputs.weights.layers if inputs.weights else ()
    transfer = tuple(
        plan_transfer(operation.train_val, sources, operation.renamed, operation.frozen, operation.inputs)
    )
    if inputs.weights:
        check_transfer(transfer)
    solver = solver_param(
        spec.solver,
        net="net/train_val.prototxt",
        train_records=inputs.train.records,
        val_records=inputs.val.records,
        batch_size=spec.data.batch_size,
        test_batch_size=test_batch_size(inputs),
        snapshot_prefix=SNAPSHOT_PREFIX,
        gpu=False,
    )
    return Plan(
        inputs=inputs,
        run_id=run_id(inputs),
        labels=labels,
        train_val=operation.train_val,
        deploy=operation.deploy,
        solver=solver,
        heads=tuple(operation.heads),
        renamed=operation.renamed,
        frozen=tuple(operation.frozen),
        transfer=transfer,
    )


def run_id(inputs: Inputs) -> str:
    """Return the digest of all that the result depends on.

    The same net, weights, data and settings are the same run, wherever they lie. Where it runs, what it may
    spend and what it must reach (resources, budget, accept, output) are not part of it: a run goes on with
    another budget or on another node.
    """
    spec = inputs.spec.canonical()
    identity = {key: spec[key] for key in ("name", "surgery", "data", "solver", "engine")}
    identity["data"] |= {"train": inputs.train.digest, "val": inputs.val.digest, "val_split": None}
    if inputs.mean_file:
        identity["data"]["mean"] = inputs.mean_file_digest
    identity["net"] = hashlib.sha256(to_text(inputs.net).encode()).hexdigest()
    identity["weights"] = inputs.weights.digest if inputs.weights else None
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:RUN_ID_LENGTH]


def class_names(spec: JobSpec, train: DatasetFacts, val: DatasetFacts) -> tuple[str, ...]:
    """Return a name for every output of the new heads; labels nobody named are called by their number.

    Raises BadDataError for a label that the heads would have no output for.
    """
    present = max(max(facts.histogram, default=0) for facts in (train, val)) + 1
    wanted = spec.surgery.num_output
    count = max(present, len(train.labels)) if wanted == "auto" else wanted
    for facts in (train, val):
        over = [label for label in facts.histogram if label >= count]
        if over:
            raise BadDataError(
                f"{facts.path}: label {over[0]} is out of range for surgery.num_output {count} "
                f"(labels are 0 to {count - 1}): mend the labels or set num_output to {max(over) + 1}"
            )
    if count < 2:
        raise BadDataError(f"{train.path}: all records have label 0: a classifier needs two classes or more")
    names = train.labels[:count]
    return names + tuple(str(label) for label in range(len(names), count))


def data_layers(inputs: Inputs) -> DataLayers:
    """Say what the new data layers read and how they transform it.

    Raises BadSpecError where the crop is larger than the images or the mean has another channel count.
    """
    data, train = inputs.spec.data, inputs.train
    if data.crop and data.crop > min(train.height, train.width):
        raise BadSpecError(
            f"data.crop: {data.crop} is larger than the images of {train.path} "
            f"({train.width}×{train.height}): crop at most {min(train.height, train.width)}"
        )
    if len(inputs.mean) not in (0, 1, train.channels):
        raise BadSpecError(
            f"data.mean: {len(inputs.mean)} values, but the images of {train.path} "
            f"have {train.channels} channels: give one per channel"
        )
    return DataLayers(
        train=str(train.path),
        val=str(inputs.val.path),
        channels=train.channels,
        height=train.height,
        width=train.width,
        batch_size=data.batch_size,
        test_batch_size=test_batch_size(inputs),
        crop=data.crop,
        mirror=data.mirror,
        mean=inputs.mean,
        mean_file=str(inputs.mean_file) if inputs.mean_file else None,
        scale=data.scale,
    )


def test_batch_size(inputs: Inputs) -> int:
    """Return the TEST net's batch: the training batch, but small enough to cost little memory beside it."""
    return min(inputs.spec.data.batch_size, inputs.val.records, LARGEST_TEST_BATCH)


def _facts_json(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "path": str(facts.path),
        "records": facts.records,
        "shape": [facts.channels, facts.height, facts.width],
        "histogram": {str(label): count for label, count in facts.histogram.items()},
        "digest": facts.digest,
    }
