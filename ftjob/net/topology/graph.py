"""Which layer makes the blob that another reads, in a net of one phase."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter


@dataclass(frozen=True)
class Graph:
    """The layers of one phase by index, and who reads whom; in-place layers are steps of their own."""

    layers: tuple[LayerParameter, ...]
    makers: tuple[tuple[int, ...], ...]
    """For every layer, per bottom: the index of the layer that makes it."""

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For every layer: the indices of those that read one of its tops."""
        found: list[list[int]] = [[] for _ in self.layers]
        for index, makers in enumerate(self.makers):
            for maker in dict.fromkeys(makers):
                found[maker].append(index)
        return tuple(map(tuple, found))

    def upstream(self, starts: Iterable[int]) -> frozenset[int]:
        """The given layers and all they are computed from."""
        return _closure(starts, self.makers)

    def downstream(self, starts: Iterable[int]) -> frozenset[int]:
        """The given layers and all that is computed from them."""
        return _closure(starts, self.readers)


def graph(view: NetParameter) -> Graph:
    """Return the graph of a net in one phase (phases.phase_view).

    Raises BadNetError, as Caffe ends (net.cpp, AppendBottom and AppendTop), for a bottom that no layer before
    makes, for a top that a layer before has made, unless the layer works in place, and for a nameless blob.
    """
    latest: dict[str, int] = {}
    makers = []
    for index, layer in enumerate(view.layer):
        if "" in (*layer.bottom, *layer.top):
            raise BadNetError(f'layer "{layer.name}" has a bottom or top without a name')
        for blob in layer.bottom:
            if blob not in latest:
                raise BadNetError(
                    f'layer "{layer.name}" reads the blob "{blob}", which no layer before it makes'
                )
        makers.append(tuple(latest[blob] for blob in layer.bottom))
        for position, blob in enumerate(layer.top):
            if blob in latest and list(layer.bottom[position : position + 1]) != [blob]:
                other = view.layer[latest[blob]].name
                raise BadNetError(
                    f'layers "{other}" and "{layer.name}" both make the blob "{blob}"; rename one'
                )
            latest[blob] = index
    return Graph(tuple(view.layer), tuple(makers))


def _closure(starts: Iterable[int], neighbours: tuple[tuple[int, ...], ...]) -> frozenset[int]:
    reached = set(starts)
    waiting = list(reached)
    while waiting:
        for index in neighbours[waiting.pop()]:
            if index not in reached:
                reached.add(index)
                waiting.append(index)
    return frozenset(reached)
