"""A pycaffe Net with its blobs by name."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence, Tuple


class BadNetError(Exception):
    """What the caller asked for is not in the net; named as in ftjob.errors, see process/serving.py."""


class PycaffeNet:
    """A Net through pycaffe's extension alone, whose own names begin with an underscore."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.last = len(net.layers) - 1
        self.blobs = dict(zip(net._blob_names, net._blobs))
        self.sources = [
            i for i in range(len(net.layers)) if len(net._top_ids(i)) > 0 and len(net._bottom_ids(i)) == 0
        ]
        self.drawn = 0
        """Batches that the data layers brought."""
        self.dropouts = [i for i, layer in enumerate(net.layers) if layer.type == "Dropout"]

    def prepare(self, blobs: Sequence[str] = ()) -> Iterator[None]:
        """Have all that the next pass needs, if it is to fill these blobs; yield while that takes time."""
        return iter(())

    def forward(self) -> float:
        """Run all layers; return the weighted sum of the losses."""
        self.drawn += 1
        return float(self.net._forward(0, self.last))

    def backward(self) -> None:
        self.net._backward(self.last, 0)

    def scalars(self) -> List[Tuple[str, Any]]:
        """Return the output blobs of one element, by name."""
        outputs = [(self.net._blob_names[i], self.net._blobs[i]) for i in self.net._outputs]
        return [(name, blob) for name, blob in outputs if blob.count == 1]

    def batch_size(self) -> int:
        """Return the records of one batch: the first axis of the first data layer's first top."""
        top = self.net._blobs[self.net._top_ids(self.sources[0])[0]]
        return int(top.shape[0])

    def check_names(self, names: List[str]) -> None:
        """Raise BadNetError, with the names there are, for a blob that is not there."""
        for name in names:
            if name not in self.blobs:
                raise BadNetError("the net has no blob %r; it has %s" % (name, ", ".join(self.blobs)))

    def arrays(self, names: List[str]) -> Dict[str, Any]:
        """Return the blobs' arrays by name, valid until the next pass."""
        return {name: self.blobs[name].data for name in names}

    def parameters(self) -> int:
        """Count the weights and biases."""
        return sum(blob.count for layer in self.net.layers for blob in layer.blobs)

    def replay(self, batches: int) -> Iterator[None]:
        """Draw batches and discard them, yielding after each; dropout runs too, since it uses the same random
        numbers."""
        for _ in range(batches):
            for i in sorted(self.sources + self.dropouts):
                self.net._forward(i, i)
            self.drawn += 1
            yield

    def kept(self) -> Dict[str, Any]:
        """Return the fields of a FeatureRows as they travel; none where no features are kept."""
        return {}

    def unsettle(self) -> None:
        """Forget what depends on weights that are about to change."""
