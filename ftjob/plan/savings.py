"""What a run saves that computes a frozen trunk once for each image and keeps its features."""

from dataclasses import dataclass

from ftjob.net.flops import NetFlops
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import FLOAT_BYTES, NetShapes
from ftjob.net.topology.trunk import Trunk, changing, find_trunk
from ftjob.nodes.profiles import Node

READ_BYTES_PER_SECOND = 200e6
"""Assumed for reading features from the node's disk: a trunk that computes them faster runs every time."""
EFFICIENCY = 0.875
"""Assumed of each GPU where several train together: four are 3.5 times as fast as one, as BVLC measured where
the batch grows with the GPUs (Caffe's docs/multigpu.md, which has 1.8 for two)."""
BATCH_TOUCHES, UPDATE_TOUCHES = 3, 5
"""How often the bytes of a param that learns are read or written: in a batch for the products of both
passes, in an update for gradient, history and param. That is little beside a whole net, and much beside a
head alone."""
STORE_BYTES_PER_SECOND = 50e6
"""Assumed for fetching features from a store."""
RANDOM_CROP, MIRROR, ENGINE = "data.random_crop: false", "data.mirror: false", "engine: torch"


@dataclass(frozen=True)
class Trunks:
    """The frozen trunks of a run's two nets, where there are any."""

    train: Trunk | None = None
    test: Trunk | None = None
    changes: tuple[str, ...] = ()
    """What the spec would have to say for the features in `train` to be kept."""
    frozen_are_updated: bool = False
    """Whether an update runs over the params that stay, too, as Caffe's does."""


@dataclass(frozen=True)
class KeptTrunk:
    """A frozen trunk whose features are kept."""

    features: tuple[str, ...]
    """The blobs at its end."""
    bytes_per_image: int
    variants: int
    """How many different features an image has: two where it is mirrored at random."""
    seconds: float
    """Predicted, of one image's pass through the trunk."""
    rest_seconds: float
    """Predicted, of all else that an image takes: the head's passes, and a part of the update."""

    @property
    def share(self) -> float:
        """The trunk's part of the time that an image takes which passes through the whole net."""
        return self.seconds / (self.seconds + self.rest_seconds)

    @property
    def read_seconds(self) -> float:
        """What it takes to read the features of one image."""
        return self.bytes_per_image / READ_BYTES_PER_SECOND

    @property
    def is_worth_fetching(self) -> bool:
        """Whether fetching features from a store takes less time than computing them."""
        return self.bytes_per_image / STORE_BYTES_PER_SECOND < self.seconds

    def passes(self, images: float, records: int) -> float:
        """Return how many images are expected to go through the trunk when so many were drawn, in order, from
        so many records: each variant of a record the first time that it comes up."""
        unseen: float = (1 - 1 / self.variants) ** (images / records)
        return min(images, records * self.variants * (1 - unseen))


def find_trunks(
    train_val: NetParameter, train: NetShapes, test: NetShapes, *, caffe: bool, torch_runs: bool
) -> Trunks:
    """Return the trunks of a net in both phases, and what keeps the engine from keeping their features.

    `caffe` is whether it is Caffe, which does not show what images it mirrors; `torch_runs` is whether torch,
    which does, is another that the node and the net allow.
    """
    in_train, in_test = (phase_view(train_val, phase) for phase in (TRAIN, TEST))
    changed = changing(train)
    source = next((layer for layer in in_train.layer if layer.type == "Data"), None)
    changes = []
    found = find_trunk(in_train, train, TRAIN, changed)
    if isinstance(found, str) and source is not None and not source.HasField("phase"):
        changes.append(RANDOM_CROP)
        source.phase = TEST
    if caffe and source is not None and source.transform_param.mirror:
        changes.append(ENGINE if torch_runs else MIRROR)
        source.transform_param.mirror = torch_runs
    if changes:
        found = find_trunk(in_train, train, TRAIN, changed)
    tested = find_trunk(in_test, test, TEST, changed)
    return Trunks(
        None if isinstance(found, str) else found,
        None if isinstance(tested, str) or (caffe and tested.mirrors) else tested,
        tuple(changes),
        frozen_are_updated=caffe and ENGINE not in changes,
    )


def speedup(gpus: int) -> float:
    """Return how many times as fast as one GPU so many are expected to train."""
    return gpus * EFFICIENCY if gpus > 1 else 1.0


def kept_trunk(
    trunk: Trunk | None,
    work: NetFlops,
    node: Node,
    whole_seconds: float,
    precision: Precision,
    gpus: int = 1,
) -> KeptTrunk | None:
    """Return a trunk's numbers on a node, where reading its features takes less time than computing them.

    `work` is that of the whole net, `whole_seconds` what one image takes of everything; several `gpus` share
    the disk.
    """
    if trunk is None:
        return None
    names = {layer.name for layer in trunk.trunk.layer}
    layers = [layer for layer in work.layers if layer.name in names]
    flops = sum(layer.forward for layer in layers) / work.batch_size
    moved = sum(layer.forward_bytes for layer in layers) / work.batch_size
    seconds = node.seconds(flops, moved, precision) / speedup(gpus)
    size = FLOAT_BYTES * trunk.floats
    if seconds < size / READ_BYTES_PER_SECOND:
        return None
    return KeptTrunk(trunk.features, size, trunk.variants, seconds, max(0.0, whole_seconds - seconds))


def update_seconds(learning: int, updated: int, batch_size: int, iter_size: int, node: Node) -> float:
    """Return what the params that learn, so many numbers, cost each image on a node; an update runs over so
    many."""
    touched = BATCH_TOUCHES * learning + UPDATE_TOUCHES * updated / iter_size
    return node.seconds(0, FLOAT_BYTES * touched / batch_size)
