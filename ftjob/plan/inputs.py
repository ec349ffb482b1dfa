"""A plan's inputs: everything read from the places a spec names, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ftjob.dataset.facts import DatasetFacts
from ftjob.net.caffemodel.weights import LayerWeights
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import PrototxtNote
from ftjob.nodes.profiles import Node
from ftjob.runfolder.records.predictions import Evaluated
from jobspec.spec import JobSpec


@dataclass(frozen=True)
class Weights:
    """A source caffemodel: its location and content."""

    path: Path
    """The file that Caffe 1.0 reads: the source itself, or a conversion of one Caffe cannot read."""
    digest: str
    """sha256 (hex) of the file itself."""
    layers: tuple[LayerWeights, ...]
    location: str
    """The file as the spec names it: a path or a URI."""
    of_run: bool = False
    """Whether a run of ftjob made it, whose spec records how its images were preprocessed."""
    note: str = ""
    """What was made of it, where it is not read as it is."""
    size_bytes: int = 0
    """On the disk, with what was made of it."""
    broken: frozenset[str] = frozenset()
    """Its layers with a number that is NaN or infinite."""


@dataclass(frozen=True)
class Baseline:
    """The earlier run that a result is compared with."""

    run: str
    """NAME/ID."""
    evaluated: Evaluated
    """On the images that this run is accepted by."""


@dataclass(frozen=True)
class StageBefore:
    """The stage whose result a stage begins with, as it was planned."""

    number: int
    """Counted from 1."""
    run_id: str
    labels: tuple[str, ...]
    names: Mapping[str, str]
    """Name in the base net → name in its weights, of the layers that it or a stage before it renewed."""


@dataclass(frozen=True)
class Inputs:
    """What was found at the places the spec names."""

    spec: JobSpec
    net: NetParameter
    weights: Weights | None
    train: DatasetFacts
    val: DatasetFacts
    node: Node
    """The node to run on."""
    nodes: tuple[Node, ...] = ()
    """Other nodes it could run on."""
    mean: tuple[float, ...] = ()
    """One value per channel (BGR); empty where nothing or a mean image is subtracted."""
    mean_measured: bool = True
    """False where `data.mean` is auto and nobody has looked at the pixels yet: it is the same run, but its
    prototxts still lack the values."""
    mean_file: Path | None = None
    """A .binaryproto to subtract instead."""
    mean_file_digest: str = ""
    notes: tuple[PrototxtNote, ...] = ()
    """Features of Caffe's forks in the prototxt, and what became of them."""
    findings: tuple[str, ...] = ()
    """Oddities in the data, in sentences."""
    on: DatasetFacts | None = None
    """The dataset of `accept.on`."""
    baseline: Baseline | None = None
    """The run of `accept.not_below`."""
    before: StageBefore | None = None
    """None of a run's only stage, and of its first."""
    new_heads: bool = False
    """Whether a stage asks for new heads although its classes are those of the stage before."""

    @property
    def dearest_usd_per_hour(self) -> float:
        """The highest price that the run may come to pay: with `spot: prefer`, the one on demand."""
        return self.node.usd_per_hour(spot=self.spec.resources.spot is True)

    @property
    def suffix(self) -> str:
        """What follows `_` in the names of renewed layers: another one in every stage."""
        return f"{self.spec.name}-{self.before.number + 1}" if self.before else self.spec.name

    def keeps_heads(self, labels: tuple[str, ...]) -> bool:
        """Return whether the heads of the stage before are trained further, to tell these classes apart."""
        return self.before is not None and self.before.labels == labels and not self.new_heads
