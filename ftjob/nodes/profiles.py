"""Node profiles: GPU, memory, speed and price of the nodes that a run can be placed on."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftjob.errors import BadSpecError
from ftjob.fs.documents import UnreadableError, read_text
from ftjob.fs.paths import config_dir
from ftjob.suggest import did_you_mean
from jobspec.document import Document, read_document
from jobspec.problems import Problem, SpecError, dotted

BUILT_IN = "nodes.yaml"
LARGEST = 2**20
"""Bytes of a nodes file."""
LOCAL = "local"
"""The profile of whichever machine ftjob is called on."""
ENV_NODES = "FTJOB_NODES"
"""Names the user's own nodes file."""
INSTANCE_TYPE = "node.kubernetes.io/instance-type"
"""The label with a cluster node's kind of machine."""
NEWEST_FOR_CAFFE = (7, 5)
"""The last compute capability of Caffe's own time (Turing). A Caffe compiled with CUDA 11.2 has code for
newer GPUs too; `engine: auto` takes torch for them until that was seen to work on one."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Profile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Price(_Profile):
    """USD per hour of the whole node."""

    on_demand: NonNegative
    spot: NonNegative | None = None
    """Typical; none where the node cannot be had on spot."""


class Toleration(_Profile):
    """A Kubernetes toleration that pods on such nodes need."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Node(_Profile):
    """One kind of node."""

    name: str
    gpu: str
    """The GPU's model, for people."""
    gpus: Annotated[int, Field(ge=0)] = 1
    """How many the node has."""
    gpu_memory_gib: Positive | None
    """Of one GPU, as its driver shows it; none on a node without."""
    compute_capability: Annotated[str, Field(pattern=r"^\d+\.\d+$")] | None = None
    teraflops: Positive
    """Reached in training in fp32, in 10^12 floating point operations per second."""
    teraflops_in: dict[Literal["tf32", "bf16", "fp16"], Positive] = {}
    """The same by precision, where that is another; of the built-in ones none was measured."""
    gigabytes_per_second: Positive
    """Of blobs, reached in training, in 10^9 bytes per second."""
    price: Price
    startup_seconds: NonNegative = 240.0
    """From asking for the node to the first iteration: node, image, data."""
    labels: dict[str, str] = {}
    """What a node of this kind is selected by."""
    tolerations: tuple[Toleration, ...] = ()

    @property
    def memory_bytes(self) -> int | None:
        """Bytes of one GPU; None on a node without."""
        return None if self.gpu_memory_gib is None else int(self.gpu_memory_gib * 2**30)

    @property
    def instance_type(self) -> str | None:
        """The instance type of EC2, for nodes that are chosen by one."""
        return self.labels.get(INSTANCE_TYPE)

    @property
    def capability(self) -> tuple[int, int] | None:
        """The GPU's compute capability as numbers; None on processors."""
        if self.compute_capability is None:
            return None
        major, minor = self.compute_capability.split(".")
        return int(major), int(minor)

    @property
    def runs_caffe(self) -> bool:
        """Whether `engine: auto` may take Caffe here: on processors always, on GPUs before Ampere."""
        return self.capability is None or self.capability <= NEWEST_FOR_CAFFE

    def usd_per_hour(self, *, spot: bool) -> float:
        """Return the price of an hour. Raises BadSpecError for spot on a node that has no spot price."""
        if not spot:
            return self.price.on_demand
        if self.price.spot is None:
            raise BadSpecError(
                f"resources.spot: node {self.name} has no spot price; leave spot out, or give the node's "
                "price.spot in your nodes file (see docs/nodes.md)"
            )
        return self.price.spot

    def refuse_more_gpus(self, wanted: int) -> None:
        """Raise BadSpecError where a run wants more GPUs than the node has; one may be processors instead."""
        if wanted > max(1, self.gpus):
            has = f"{self.gpus} ({self.gpu})" if self.gpus else "none"
            raise BadSpecError(
                f"solver.gpus: is {wanted}, and node {self.name} has {has}: lower it, or choose another node "
                "(`ftjob nodes`)"
            )

    def seconds(self, flops: float, moved_bytes: float, precision: str = "fp32") -> float:
        """Return the time this node takes for that many operations and bytes, one after the other."""
        rate = self.teraflops_of(precision) * 1e12
        return flops / rate + moved_bytes / (self.gigabytes_per_second * 1e9)

    def teraflops_of(self, precision: str) -> float:
        """Return what products reach in a precision: as in fp32 where the profile says nothing else."""
        return next((rate for each, rate in self.teraflops_in.items() if each == precision), self.teraflops)


def user_file() -> Path:
    """Return where a user's own profiles are: $FTJOB_NODES, or nodes.yaml in ftjob's configuration folder."""
    override = os.environ.get(ENV_NODES)
    return Path(override) if override else config_dir() / "nodes.yaml"


def load_nodes() -> dict[str, Node]:
    """Return all profiles by name, the built-in ones first, with the user's file laid over them.

    A name that is built in needs only the fields that differ. Raises BadSpecError, with file, line and field,
    where the user's file cannot be read or a profile in it is wrong.
    """
    path = user_file()
    if path.exists():
        return parse_nodes(read_file(path), str(path))
    if ENV_NODES in os.environ:
        raise BadSpecError(
            f"{path}: FTJOB_NODES names this file, which is not there; unset it or fix the path"
        )
    return parse_nodes("", str(path))


def parse_nodes(text: str, source: str) -> dict[str, Node]:
    """Return all profiles by name, those in a file's text over the built-in ones. Raises BadSpecError."""
    profiles = _built_in()
    return {**profiles, **_profiles(_read(text, source), source, profiles)}


@cache
def _built_in() -> Mapping[str, Node]:
    text = files("ftjob.nodes").joinpath(BUILT_IN).read_text(encoding="utf-8")
    return _profiles(_read(text, BUILT_IN), BUILT_IN, {})


def get_node(name: str) -> Node:
    """Return one profile. Raises BadSpecError for a name that is none, with the nearest there is."""
    nodes = load_nodes()
    if name not in nodes:
        hint = did_you_mean(name, nodes)
        raise BadSpecError(
            f"resources.node: there is no node {name}{hint} (there are {', '.join(nodes)}; see docs/nodes.md)"
        )
    return nodes[name]


def read_file(path: Path) -> str:
    """Return the text of a nodes file. Raises BadSpecError."""
    try:
        return read_text(path, LARGEST)
    except UnreadableError as error:
        raise BadSpecError(f"{path}: {error}: fix it") from None
    except OSError as error:
        raise BadSpecError(f"{path}: cannot be read ({error.strerror}): fix its permissions") from None


def _read(text: str, source: str) -> Document:
    try:
        return read_document(text, source)
    except SpecError as error:
        raise BadSpecError(str(error)) from None


def _profiles(document: Document, source: str, known: Mapping[str, Node]) -> dict[str, Node]:
    """Return the profiles of one file, each laid over the known one of its name."""
    if document.value is None:
        return {}
    if not isinstance(document.value, dict):
        raise BadSpecError(f"{source}: must be profiles by name, such as 'my-node: {{gpu: ...}}'")
    found = {}
    for name, fields in document.value.items():
        if not isinstance(fields, dict):
            raise BadSpecError(_sentence(document, source, (name,), "must be a profile's fields"))
        before = known[name].model_dump() if name in known else {}
        try:
            found[name] = Node.model_validate({**before, "name": name, **fields})
        except ValidationError as error:
            raise BadSpecError(_explain(error, document, source, name)) from None
    return found


def _explain(error: ValidationError, document: Document, source: str, name: str) -> str:
    lines = []
    for details in error.errors():
        field = [name, *details["loc"]]
        message = details["msg"]
        if details["type"] == "extra_forbidden":
            allowed = Price if "price" in field else Toleration if "tolerations" in field else Node
            message = f"there is no such field{did_you_mean(str(field[-1]), allowed.model_fields)}"
        if details["type"] == "missing":
            message = "is needed in a profile that is not built in"
        lines.append(_sentence(document, source, field, message))
    return "\n".join(lines)


def _sentence(document: Document, source: str, field: Sequence[str | int], message: str) -> str:
    mark = document.mark(tuple(field))
    return Problem(dotted(field), message, mark.line if mark else None).render(source)
