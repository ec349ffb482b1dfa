"""GPU memory of a training run in Caffe: TRAIN net, TEST net, params, solver (CUDA, Caffe's own kernels).

In bf16 and fp16, which only the torch engine has, some blobs have two bytes a number (net/precision.py).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from ftjob.net.layers.elementwise import lrn_within_channel
from ftjob.net.layers.windows import window_of
from ftjob.net.precision import HALF, HALF_BYTES, Precision, top_bytes
from ftjob.net.proto.caffe_pb2 import EltwiseParameter, PoolingParameter
from ftjob.net.solver_types import SOLVER_TYPES
from ftjob.net.topology.backward import backward
from ftjob.net.topology.shapes import FLOAT_BYTES, LayerShapes, NetShapes

CONTEXT_BYTES = 300 * 2**20
"""Assumed for the CUDA context, cuBLAS and the kernels' code: 100 to 400 MiB, by driver and GPU."""
EXCHANGE_BYTES = 300 * 2**20
"""Assumed for NCCL's buffers and the gradients in them, where several GPUs train together."""

_SHARE_DATA = frozenset({"Split", "Flatten", "Reshape"})
_SHARE_DIFF = frozenset({"Flatten", "Reshape"})


@dataclass(frozen=True)
class NetMemory:
    """Bytes of one net, without its params."""

    blobs: int
    """Data of all blobs, what shares memory once."""
    gradients: int
    """Gradients of the blobs that the backward pass touches."""
    buffers: int
    """What layers keep for themselves: masks, normalisers, copies, prefetched batches."""
    columns: int
    """Column buffers of the convolutions, one image each (a cuDNN build has its workspaces instead: up to
    24 MiB per convolution and group)."""

    @property
    def total(self) -> int:
        return self.blobs + self.gradients + self.buffers + self.columns

    def scaled(self, factor: float) -> "NetMemory":
        """Return the bytes of the net with its batch size times a factor: all but the columns grow."""
        grown = {name: int(getattr(self, name) * factor) for name in ("blobs", "gradients", "buffers")}
        return replace(self, **grown)


NOTHING = NetMemory(0, 0, 0, 0)


@dataclass(frozen=True)
class Memory:
    """Bytes on the GPU, by what they are for."""

    train: NetMemory
    test: NetMemory
    """Its params are the TRAIN net's."""
    weights: int
    weight_gradients: int
    history: int
    """What the solver keeps of past gradients."""
    copies: int = 0
    """Of the params, in the two bytes that products take them in."""
    context: int = CONTEXT_BYTES

    @property
    def total(self) -> int:
        own = self.weights + self.weight_gradients + self.history + self.copies + self.context
        return self.train.total + self.test.total + own


@dataclass(frozen=True)
class Batches:
    """How many images go through the nets at once."""

    batch_size: int
    iter_size: int
    test_batch_size: int
    """0 without a TEST net."""


def estimate_memory(
    train: NetShapes,
    test: NetShapes | None,
    solver_type: str = "SGD",
    precision: Precision = "fp32",
    gpus: int = 1,
) -> Memory:
    """Return the memory of a solver with these two nets, on each of its GPUs.

    An upper bound for the torch engine, which keeps neither gradients nor history of frozen params.
    """
    weights = FLOAT_BYTES * train.parameter_count
    return Memory(
        train=net_memory(train, training=True, precision=precision),
        test=net_memory(test, training=False, precision=precision) if test else NOTHING,
        weights=weights,
        weight_gradients=weights,
        history=weights * SOLVER_TYPES[solver_type].history,
        copies=HALF_BYTES * train.parameter_count if precision in HALF else 0,
        context=CONTEXT_BYTES + (EXCHANGE_BYTES if gpus > 1 else 0),
    )


def batches_that_fit(memory: Memory, batches: Batches, limit: int) -> tuple[Batches, Memory] | None:
    """Return batches of the same effective batch size that need at most `limit` bytes, and what they need.

    The first of these that fits: as they are; with a TEST batch of at most 10, which changes no result; the
    next smaller divisor of the effective batch size and the iter_size that makes up for it. None where not
    even single images fit.
    """
    for candidate in _candidates(batches):
        needed = _with(memory, batches, candidate)
        if needed.total <= limit:
            return candidate, needed
    return None


SMALL_TEST_BATCH = 10
LARGEST_SUGGESTED = 100_000
"""Images in a batch that is looked for instead of a larger one."""


def _candidates(batches: Batches) -> Iterator[Batches]:
    yield batches
    effective = batches.batch_size * batches.iter_size
    small = min(SMALL_TEST_BATCH, batches.test_batch_size)
    for size in range(min(batches.batch_size, LARGEST_SUGGESTED), 0, -1):
        if effective % size == 0:
            yield Batches(size, effective // size, small)
    yield Batches(1, effective, min(1, small))


def _with(memory: Memory, old: Batches, new: Batches) -> Memory:
    test_factor = new.test_batch_size / old.test_batch_size if old.test_batch_size else 1
    return replace(
        memory,
        train=memory.train.scaled(new.batch_size / old.batch_size),
        test=memory.test.scaled(test_factor),
    )


def net_memory(shapes: NetShapes, *, training: bool, precision: Precision = "fp32") -> NetMemory:
    """Return the memory of one net, lazily allocated as Caffe's SyncedMemory is."""
    sizes = {
        top: size for layer, size in top_bytes(shapes, half=precision in HALF) for top in layer.layer.top
    }

    def size_of(counts: dict[str, int]) -> int:
        return sum(sizes[blob] * count for blob, count in counts.items())

    return NetMemory(
        blobs=size_of(_data_counts(shapes)),
        gradients=size_of(_diff_counts(shapes)) if training else 0,
        buffers=FLOAT_BYTES * sum(_own_counts(shapes, training=training)),
        columns=FLOAT_BYTES * sum(_column_count(layer) for layer in shapes.layers),
    )


def _data_counts(shapes: NetShapes) -> dict[str, int]:
    """Numbers of every blob that has memory of its own, by name."""
    return {
        top: prod(shape)
        for layer in shapes.layers
        if not _shares(layer, _SHARE_DATA)
        for top, shape in zip(layer.layer.top, layer.tops, strict=True)
    }


def _diff_counts(shapes: NetShapes) -> dict[str, int]:
    """Numbers of every gradient that a layer that runs backward reads or writes, by its blob's name."""
    memory_of = _diff_memory(shapes)
    counts: dict[str, int] = {}
    for layer, back in zip(shapes.layers, backward(shapes), strict=True):
        tops = zip(layer.layer.top, layer.tops, strict=True) if back.runs else ()
        wanted = zip(layer.layer.bottom, layer.bottoms, back.bottoms, strict=True) if back.runs else ()
        counts |= {memory_of[top]: prod(shape) for top, shape in tops}
        counts |= {memory_of[bottom]: prod(shape) for bottom, shape, down in wanted if down}
    return counts


def _diff_memory(shapes: NetShapes) -> dict[str, str]:
    """The blob whose gradient a blob's gradient lies in: its own, or the one it is a view of."""
    memory_of: dict[str, str] = {}
    for layer in shapes.layers:
        for top in layer.layer.top:
            shared = _shares(layer, _SHARE_DIFF)
            memory_of[top] = memory_of[layer.layer.bottom[0]] if shared else memory_of.get(top, top)
    return memory_of


def _shares(layer: LayerShapes, types: frozenset[str]) -> bool:
    """Return whether a layer's tops share its bottom's memory, as Concat and Slice of a single blob do."""
    alone = layer.type in ("Concat", "Slice") and len(layer.bottoms) == len(layer.tops) == 1
    return layer.type in types or alone


def _own_counts(shapes: NetShapes, *, training: bool) -> Iterator[int]:
    for layer, back in zip(shapes.layers, backward(shapes), strict=True):
        yield _own_count(layer, training=training, gradients=training and back.runs)


def _own_count(layer: LayerShapes, *, training: bool, gradients: bool) -> int:
    """Numbers a layer keeps besides its blobs, those that grow with the batch."""
    bottom = prod(layer.bottoms[0]) if layer.bottoms else 0
    in_place = bool(layer.bottoms) and layer.layer.top[:1] == layer.layer.bottom[:1]
    match layer.type:
        case "Data" | "ImageData" | "WindowData":
            # One batch is the top itself.
            return (layer.layer.data_param.prefetch - 1) * sum(map(prod, layer.tops))
        case "Dropout":
            return bottom if training else 0
        case "LRN":
            return 3 * bottom if lrn_within_channel(layer.layer) else bottom
        case "Pooling":
            masked = layer.layer.pooling_param.pool == PoolingParameter.MAX and len(layer.tops) == 1
            return prod(layer.tops[0]) if masked else 0
        case "Eltwise":
            return bottom if layer.layer.eltwise_param.operation == EltwiseParameter.MAX else 0
        case "BatchNorm":
            return (3 if gradients and in_place else 2) * bottom
        case "Scale" | "PReLU":
            return bottom if in_place else 0
        case "MVN":
            return bottom
        case "SoftmaxWithLoss":
            return 2 * bottom
    return 0


def _column_count(layer: LayerShapes) -> int:
    """Numbers of a convolution's column buffer (base_conv_layer.cpp): one image's windows, side by side."""
    if layer.type not in ("Convolution", "Deconvolution"):
        return 0
    weights = layer.params[0].shape
    images, maps = (
        (layer.bottoms[0], layer.tops[0])
        if layer.type == "Convolution"
        else (layer.tops[0], layer.bottoms[0])
    )
    window = window_of(layer.layer, layer.bottoms[0])
    ones = (1,) * len(window.kernel)
    if window.kernel == window.stride == ones and not any(window.pad):
        return 0
    return images[window.channel_axis] * prod(weights[2:]) * prod(maps[window.channel_axis + 1 :])
