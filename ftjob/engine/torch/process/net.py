"""A net that runs: Caffe's layers in Caffe's order, as functions on tensors by blob name."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.data import DataSource, Records
from ftjob.engine.torch.process.fillers import fill
from ftjob.engine.torch.process.layers import make
from ftjob.engine.torch.process.layers.making import Forward, LayerContext, NetContext, layer_context
from ftjob.engine.torch.process.pinning import sent
from ftjob.engine.torch.process.weights import ByLayer
from ftjob.errors import BadNetError
from ftjob.net.layers.rule import Shape, refuse
from ftjob.net.precision import Arithmetic, arithmetic_of
from ftjob.net.proto.caffe_pb2 import FillerParameter, NetParameter
from ftjob.net.topology.backward import weighs_in_loss
from ftjob.net.topology.layertypes import DATA
from ftjob.net.topology.shapes import LayerShapes, NetShapes, infer_shapes

Draw = Callable[[], Sequence[Tensor]]


@dataclass(frozen=True)
class Step:
    """One layer, ready to run."""

    layer: LayerShapes
    forward: Forward | None
    """None for one that brings data."""
    draw: Draw | None
    params: Sequence[Tensor]
    loss_weights: tuple[float, ...]
    """Of its tops, 0 for those that are no part of the loss; empty where none is."""
    last_used: tuple[str, ...]
    """Blobs that no later layer reads, and that are no outputs."""


@dataclass
class Passed:
    """What a forward pass left."""

    loss: Tensor | None = None
    """The weighted sum of all losses; None where there is none."""
    blobs: dict[str, Tensor] = field(default_factory=dict)
    """The outputs, and the requested blobs."""

    def arrays(self, names: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the numbers of blobs by name."""
        return {name: self.blobs[name].float().cpu().numpy() for name in names}


class TorchNet:
    """A net of one phase with its weights."""

    def __init__(
        self,
        shapes: NetShapes,
        weights: ByLayer,
        context: NetContext,
        whole: "TorchNet | None" = None,
    ) -> None:
        """`whole` is the net that this one is a part of: layers draw and compute as those of their names."""
        self.shapes, self.weights, self.context = shapes, weights, context
        self.outputs = shapes.outputs
        self.places = _places(shapes, whole)
        self._sources: dict[str, tuple[LayerShapes, LayerContext]] = {}
        self.steps = [self._step(index, layer) for index, layer in enumerate(shapes.layers)]
        self.given: dict[str, Tensor] = {}
        """What Input layers bring."""

    @property
    def batch_size(self) -> int:
        """The records of one batch: the first axis of the first source's first top."""
        return next(layer.tops[0][0] for layer in self.shapes.layers if layer.tops and not layer.bottoms)

    @property
    def scalars(self) -> list[str]:
        """The outputs of one number."""
        return [blob for blob in self.outputs if self.shapes.blobs[blob] in ((), (1,))]

    def records(self, images: str) -> Records:
        """Return the records of the Data layer that makes a blob of images, for a reader of their own: this
        net's reads its own ahead, in another thread."""
        return Records(*self._sources[images])

    def check_names(self, blobs: Collection[str]) -> None:
        """Raise BadNetError, with the names there are, for a blob that is not there."""
        for blob in blobs:
            if blob not in self.shapes.blobs:
                raise BadNetError(f"the net has no blob {blob!r}; it has {', '.join(self.shapes.blobs)}")

    def forward(self, keep: Collection[str] = ()) -> Passed:
        """Run all layers; the outputs and the blobs to keep are returned."""
        passed = Passed()
        blobs = passed.blobs
        for step in self.steps:
            layer = step.layer.layer
            bottoms = [blobs[blob] for blob in layer.bottom]
            if layer.propagate_down:
                goes = zip(bottoms, layer.propagate_down, strict=True)
                bottoms = [blob if down else blob.detach() for blob, down in goes]
            tops = step.draw() if step.draw else step.forward(bottoms, step.params)  # type: ignore[misc]
            blobs.update(zip(layer.top, tops, strict=True))
            for weight, top in zip(step.loss_weights, tops, strict=False):
                if weight:
                    part = top.sum() * weight
                    passed.loss = part if passed.loss is None else passed.loss + part
            for blob in step.last_used:
                if blob not in keep:
                    del blobs[blob]
        self.context.passes += 1
        return passed

    def _step(self, index: int, layer: LayerShapes) -> Step:
        position, arithmetic = self.places[index]
        context = layer_context(layer.layer, self.context, position)
        source = layer.type in DATA
        weights = [
            (layer.layer.loss_weight[top] if layer.layer.loss_weight else 1.0)
            if weighs_in_loss(layer.layer, top)
            else 0.0
            for top in range(len(layer.tops))
        ]
        later = {blob for after in self.shapes.layers[index + 1 :] for blob in after.layer.bottom}
        done = {*layer.layer.bottom, *layer.layer.top} - later - set(self.outputs)
        return Step(
            layer,
            None if source else make(layer, context, arithmetic),
            self._source(layer, context) if source else None,
            self.weights.get(layer.name, ()),
            tuple(weights) if any(weights) else (),
            tuple(done),
        )

    def _source(self, layer: LayerShapes, context: LayerContext) -> Draw:
        if layer.type == "Data":
            self._sources[layer.layer.top[0]] = layer, context
            return _data(DataSource(layer, context), context)
        if layer.type == "DummyData":
            return _dummy(layer, context)
        if layer.type == "Input":
            return lambda: [self.given[top] for top in layer.layer.top]
        raise refuse(
            layer.layer, "the torch engine takes images from LMDBs (type Data): give the data as one"
        )


def _places(shapes: NetShapes, whole: TorchNet | None) -> list[tuple[int, Arithmetic]]:
    """Return each layer's position in its net and how it computes, or those of its name in the whole net."""
    places = list(enumerate(arithmetic_of(shapes)))
    if whole is None:
        return places
    there = {layer.name: place for layer, place in zip(whole.shapes.layers, whole.places, strict=True)}
    return [there.get(layer.name, place) for layer, place in zip(shapes.layers, places, strict=True)]


def _data(source: DataSource, context: LayerContext) -> Draw:
    def draw() -> Sequence[Tensor]:
        batch, device = source.batch(context.net.passes), context.net.device
        images = source.records.end(sent(batch.images, device))
        return (images, sent(batch.labels, device))[: len(source.records.layer.top)]

    return draw


def _dummy(layer: LayerShapes, context: LayerContext) -> Draw:
    fillers = list(layer.layer.dummy_data_param.data_filler) or [FillerParameter(type="constant")]
    fillers = fillers * len(layer.tops) if len(fillers) == 1 else fillers

    def draw() -> Sequence[Tensor]:
        random = streams.generator(context.random(streams.DUMMIES))
        return [
            torch.from_numpy(fill(filler, shape, random)).to(context.net.device)
            for filler, shape in zip(fillers, layer.tops, strict=True)
        ]

    return draw


def input_shape(net: NetParameter) -> tuple[str, Shape]:
    """Return the blob and shape of a deploy net's one Input. Raises BadNetError for none or several."""
    shapes = infer_shapes(net)
    tops = [
        (top, shape)
        for layer in shapes.layers
        if layer.type == "Input"
        for top, shape in zip(layer.layer.top, layer.tops, strict=True)
    ]
    if len(tops) != 1:
        raise BadNetError(f"a deploy net has one input, this one has {len(tops)}")
    return tops[0]
