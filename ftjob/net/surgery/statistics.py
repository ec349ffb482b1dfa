"""BatchNorm's statistics: training collects them, and a bundle uses nothing else."""

from collections.abc import Collection, Iterable

from ftjob.net.caffemodel.weights import LayerWeights
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, NetParameter, NetState
from ftjob.net.topology.params import STATISTICS
from ftjob.net.topology.phases import belongs

_SHOWN = 2
"""Layers that a message names before it counts the rest."""


def collected_statistics(weights: Iterable[LayerWeights]) -> frozenset[str]:
    """Return the BatchNorm layers of a caffemodel that hold statistics.

    The third of their blobs counts what was summed; where it is 0 Caffe takes mean and variance for 0
    (batch_norm_layer.cpp, Forward_cpu).
    """
    return frozenset(
        layer.name
        for layer in weights
        if layer.type == "BatchNorm" and len(layer.blobs) == STATISTICS and layer.blobs[-1].number
    )


def settle_statistics(net: NetParameter, collected: Collection[str]) -> tuple[str, ...]:
    """Have BatchNorm collect statistics in TRAIN and use them in TEST, in place; return what was changed, a
    sentence each.

    A prototxt's `use_global_stats` speaks for both phases at once: `false` makes an image's TEST scores
    depend on the images beside it, `true` normalises by statistics that stay what they were. Caffe's default,
    the batch's own in TRAIN and the collected ones in TEST, is right for both, and the only exception made
    is `true` for a layer in `collected`, whose statistics come with the weights: training leaves them alone.
    """
    kept, freed, joined = [], [], []
    for layer in net.layer:
        if layer.type != "BatchNorm" or not layer.batch_norm_param.HasField("use_global_stats"):
            continue
        trains, uses_given = belongs(layer, NetState(phase=TRAIN)), layer.batch_norm_param.use_global_stats
        if uses_given and layer.name in collected:
            kept.append(layer.name)
            continue
        layer.batch_norm_param.ClearField("use_global_stats")
        if uses_given and trains:
            freed.append(layer.name)
        elif not uses_given and not _only_in_train(layer):
            joined.append(layer.name)
    return tuple(
        f"{_layers(names)}: {what}"
        for names, what in (
            (kept, "use_global_stats: true keeps the statistics of the weights, in TRAIN too"),
            (freed, "use_global_stats: true is left out, since no statistics are there: TRAIN collects them"),
            (
                joined,
                "use_global_stats: false is left out, so that TEST and the bundle use the statistics TRAIN "
                "collects, and an image's scores do not depend on those beside it",
            ),
        )
        if names
    )


def _only_in_train(layer: LayerParameter) -> bool:
    return [rule.phase for rule in layer.include] == [TRAIN]


def _layers(names: list[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return f"BatchNorm {', '.join(distinct[:_SHOWN])}{more}"
