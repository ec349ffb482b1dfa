"""The Split layers Caffe puts in where a blob is read more than once (insert_splits.cpp)."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import LayerParameter

_Top = tuple[int, int]
"""A blob as it is made: the index of its layer, and which of that layer's tops."""


@dataclass(frozen=True)
class ConnectedLayer:
    """One layer of the net Caffe runs."""

    layer: LayerParameter
    """With the blobs that Caffe connects it to."""
    written: LayerParameter
    """As written in the prototxt; for an inserted Split the layer itself."""


def insert_splits(layers: Sequence[LayerParameter]) -> list[ConnectedLayer]:
    """Return the layers with a Split after every top that is read, or weighed as a loss, more than once.

    Raises BadNetError for a bottom that no layer before makes.
    """
    uses = _Uses(layers)
    return [node for index in range(len(layers)) for node in uses.nodes(index)]


class _Uses:
    def __init__(self, layers: Sequence[LayerParameter]) -> None:
        self.layers = layers
        self.source: dict[tuple[int, int], _Top] = {}
        self.count: Counter[_Top] = Counter()
        self.loss_weight: dict[_Top, float] = {}
        self.taken: defaultdict[_Top, int] = defaultdict(int)
        newest: dict[str, _Top] = {}
        for index, layer in enumerate(layers):
            self._read(index, layer, newest)

    def _read(self, index: int, layer: LayerParameter, newest: dict[str, _Top]) -> None:
        for place, blob in enumerate(layer.bottom):
            if blob not in newest:
                raise refuse(layer, f'its bottom "{blob}" is the top of no layer before it')
            self.source[index, place] = newest[blob]
            self.count[newest[blob]] += 1
        for place, blob in enumerate(layer.top):
            newest[blob] = (index, place)
        for blob, weight in zip(layer.top, layer.loss_weight, strict=False):
            if weight:
                self.loss_weight[newest[blob]] = weight
                self.count[newest[blob]] += 1

    def nodes(self, index: int) -> Iterator[ConnectedLayer]:
        written = self.layers[index]
        layer = LayerParameter()
        layer.CopyFrom(written)
        for place, blob in enumerate(written.bottom):
            top = self.source[index, place]
            if self.count[top] > 1:
                layer.bottom[place] = _split_blob(self.layers[top[0]].name, blob, top[1], self.taken[top])
                self.taken[top] += 1
        splits = [self._split(index, place) for place in range(len(written.top))]
        if any(split.loss_weight for split in splits if split):
            layer.ClearField("loss_weight")
        yield ConnectedLayer(layer, written)
        yield from (ConnectedLayer(split, split) for split in splits if split)

    def _split(self, index: int, place: int) -> LayerParameter | None:
        top, count = (index, place), self.count[index, place]
        if count < 2:
            return None
        layer = self.layers[index]
        blob = layer.top[place]
        split = LayerParameter(name=f"{blob}_{layer.name}_{place}_split", type="Split", bottom=[blob])
        split.top.extend(_split_blob(layer.name, blob, place, number) for number in range(count))
        if top in self.loss_weight:
            split.loss_weight.extend([self.loss_weight[top], *[0.0] * (count - 1)])
            self.taken[top] += 1
        return split


def _split_blob(layer: str, blob: str, place: int, number: int) -> str:
    return f"{blob}_{layer}_{place}_split_{number}"
