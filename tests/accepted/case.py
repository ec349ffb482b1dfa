"""One case as plain values, and the files that it means: net, weights, data and spec."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.accepted.records import Dataset, make_dataset
from tests.accepted.weights import Weights, make_mean, make_weights


@dataclass(frozen=True)
class Case:
    """A spec, and all that it names."""

    spec: dict[str, Any]
    net: str
    """A prototxt."""
    train: Dataset
    val: Dataset | None
    weights: Weights | None = None
    mean: tuple[int, ...] | None = None
    """The shape of a mean image."""
    folder: str = "case"
    """The name of the folder it lies in."""
    resumes: bool = False
    """Whether it is cut off after its first snapshot, and goes on from there."""


def write(case: Case, folder: Path) -> Path:
    """Write a case's files into a folder that is not there yet; return the spec's path."""
    folder.mkdir(parents=True)
    (folder / "case.json").write_text(json.dumps(dataclasses.asdict(case), indent=1))
    (folder / "net.prototxt").write_text(case.net)
    (folder / "spec.yaml").write_text(yaml.safe_dump(case.spec, sort_keys=False))
    make_dataset(case.train, folder / "train")
    if case.val:
        make_dataset(case.val, folder / "val")
    if case.mean:
        make_mean(case.mean, folder / "mean.binaryproto")
    if case.weights:
        make_weights(case.weights, folder / "net.caffemodel")
    return folder / "spec.yaml"


def read(path: Path) -> Case:
    """Read a case.json."""
    values = json.loads(path.read_text())
    for field, kind in (("train", Dataset), ("val", Dataset), ("weights", Weights)):
        values[field] = kind.of(values[field]) if values[field] else None
    return Case(**values)
