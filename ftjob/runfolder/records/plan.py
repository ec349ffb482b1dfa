"""plan.json, which is also what `ftjob plan -o json` prints: docs/plan.md has every field.

What has no default is read back: by reports, and by a worker that compares its inputs. The rest may be
missing in the file of another ftjob.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftjob.fs.documents import LARGE, read_strictly
from ftjob.runfolder.records.ranges import Images, Quantity
from ftjob.runfolder.status import Count, Number


@dataclass(frozen=True, kw_only=True)
class PlannedBase:
    """The net and the weights that the run starts from."""

    net: str
    net_digest: str | None
    notes: tuple[str, ...] = ()
    weights: str | None
    weights_digest: str | None
    mean_digest: str | None


@dataclass(frozen=True, kw_only=True)
class PlannedData:
    """A dataset."""

    path: str = ""
    records: Images
    shape: tuple[Count, Count, Count]
    """Channels, height, width."""
    encoded: bool | None = None
    histogram: dict[str, Images]
    """Label → images."""
    digest: str | None


@dataclass(frozen=True, kw_only=True)
class PlannedHead:
    """A classifier, as net.heads.Head."""

    layer: str
    source: str = ""
    score: str = ""
    label: str = ""
    loss: str = ""
    loss_weight: float = 0.0
    main: bool
    num_output: int = 0
    followers: tuple[str, ...] = ()
    why: str = ""
    tested: bool = True


@dataclass(frozen=True, kw_only=True)
class PlannedLayer:
    """How a layer gets its params, as net.transfer.LayerTransfer."""

    layer: str
    type: str
    kind: str
    shapes: tuple[tuple[Count, ...], ...]
    source_shapes: tuple[tuple[int, ...], ...] = ()
    remark: str
    parameters: Images


@dataclass(frozen=True, kw_only=True)
class PlannedPrice:
    """USD per hour."""

    on_demand: float
    spot: float | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedToleration:
    """A Kubernetes toleration."""

    key: str
    operator: str = "Exists"
    value: str | None = None
    effect: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedNode:
    """A node profile, as nodes.Node."""

    name: str
    gpu: str
    gpus: int | None = None
    gpu_memory_gib: float | None = None
    compute_capability: str | None = None
    teraflops: float | None = None
    teraflops_in: dict[str, float] | None = None
    gigabytes_per_second: float | None = None
    price: PlannedPrice | None = None
    startup_seconds: float | None = None
    labels: dict[str, str] = field(default_factory=dict)
    tolerations: tuple[PlannedToleration, ...] = ()


@dataclass(frozen=True)
class PlannedEngine:
    """The training engine, why it was chosen, and what it multiplies in."""

    name: str
    why: str
    precision: str = "fp32"


@dataclass(frozen=True, kw_only=True)
class PlannedParameters:
    """Numbers in the net's params."""

    total: Images
    trainable: Images
    frozen: Images
    statistics: int | None = None
    new: int | None = None


@dataclass(frozen=True)
class PlannedFlops:
    """Operations for one image."""

    forward: float
    backward: float
    test: float


@dataclass(frozen=True)
class PlannedNetBytes:
    """Memory of the net of one phase."""

    blobs: int
    gradients: int
    buffers: int
    columns: int
    total: int


@dataclass(frozen=True)
class PlannedBatches:
    """Batches that would fit, and their memory."""

    batch_size: int
    iter_size: int
    test_batch_size: int
    total: int


@dataclass(frozen=True)
class PlannedMemory:
    """Bytes on the GPU."""

    fits: bool
    limit: int | None
    total: int
    train: PlannedNetBytes
    test: PlannedNetBytes
    weights: int
    weight_gradients: int
    history: int
    context: int
    suggestion: PlannedBatches | None
    copies: int = 0


@dataclass(frozen=True)
class PredictedSpeed:
    """Seconds per image by the node's profile."""

    train: float
    test: float


@dataclass(frozen=True)
class MeasuredSpeed:
    """What a run measured, as plan.measured.Measurement."""

    run: str
    when: float
    train_seconds_per_image: float
    test_seconds_per_image: float | None
    startup_seconds: float | None


@dataclass(frozen=True)
class PlannedSpeed:
    """The profile's speed, and beside it what was measured."""

    predicted: PredictedSpeed
    measured: MeasuredSpeed | None
    predicted_to_measured: float | None


@dataclass(frozen=True)
class PlannedFeatures:
    """What it saves, or would, to keep what the frozen layers make of images, as plan.forecast.Saving."""

    blobs: tuple[str, ...]
    bytes_per_image: int
    variants: int
    changes: tuple[str, ...]
    """What the spec would have to say for it; empty where it is planned."""
    total_seconds: Quantity
    usd: Quantity
    whole_seconds: Quantity
    whole_usd: Quantity


@dataclass(frozen=True, kw_only=True)
class PlannedCost:
    """Seconds and dollars, as plan.cost.Cost."""

    seconds_per_iteration: float | None = None
    seconds_per_epoch: float | None = None
    images_per_second: float | None = None
    train_seconds: float | None = None
    test_seconds: float | None = None
    snapshot_seconds: float | None = None
    startup_seconds: float | None = None
    usd_per_hour: float | None = None
    worst_usd: float | None = None
    least_seconds: float | None = None
    affordable_seconds: float | None = None
    affordable_iterations: int | None = None
    assumptions: tuple[str, ...] = ()
    total_seconds: Quantity
    usd: Quantity


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """One stage of a run with stages."""

    name: str
    run_id: str
    """Its id, which those before it decide too; the last one's is the run's."""
    classes: Count
    heads: str
    """new, or kept: whether its heads are made for it, or trained further."""
    frozen: Count
    """Layers that stay as they are."""
    max_iter: Count
    images_per_iteration: Count
    seconds: Quantity
    usd: Quantity
    memory: Images | None = None
    """Bytes on the GPU."""


@dataclass(frozen=True, kw_only=True)
class PlanDocument:
    """plan.json."""

    name: str = ""
    run_id: str = ""
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    base: PlannedBase
    labels: tuple[str, ...]
    train: PlannedData
    val: PlannedData
    data_bytes: int | None = None
    mean: tuple[Number, ...] | None
    mean_file: str | None
    heads: tuple[PlannedHead, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    frozen: tuple[str, ...]
    transfer: tuple[PlannedLayer, ...]
    max_iter: Count
    test_interval: int | None = None
    snapshot: int | None = None
    batch_size: int | None = None
    iter_size: int | None = None
    test_batch_size: int | None = None
    gpus: int = 1
    images_per_iteration: Count
    epochs: Quantity
    node: PlannedNode
    engine: PlannedEngine
    parameters: PlannedParameters
    flops_per_image: PlannedFlops | None = None
    memory: PlannedMemory | None = None
    speed: PlannedSpeed | None = None
    cost: PlannedCost
    features: PlannedFeatures | None = None
    stages: tuple[PlannedStage, ...] = ()
    """First to last; all else but the cost is of the last one. Empty for a run without stages."""

    def to_json(self) -> dict[str, Any]:
        """Return the values of plan.json and `ftjob plan -o json`."""
        return dataclasses.asdict(self)


def read_plan(path: Path) -> PlanDocument:
    """Return plan.json. Raises UnreadableError, OSError."""
    return read_strictly(PlanDocument, path, LARGE)


def plan_text(document: PlanDocument) -> str:
    """Return the text of plan.json."""
    return json.dumps(document.to_json(), indent=1) + "\n"
