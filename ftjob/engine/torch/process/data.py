"""The Data layer: records of an LMDB in order, transformed as data_transformer.cpp does, some batches ahead.

Records are decoded, cropped and mirrored by a process for each processor, each its share of a batch, or by
this process where a batch is small. A batch travels to the device as bytes, and mean and scale are applied to
all of it there. What a batch holds depends on its number alone.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.dataset.lmdb.read import NumberedRecords
from ftjob.engine.torch.feed.decoders import Decoders, DecoderThread, decoder_count
from ftjob.engine.torch.feed.decoding import Decoder, Draws
from ftjob.engine.torch.feed.transform import ImageTransform
from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.layers.making import LayerContext
from ftjob.engine.torch.process.pinning import Pinning, on_host
from ftjob.net.topology.shapes import LayerShapes

AHEAD_BYTES = 256 << 20
"""Of the batches that are made ahead: at least one."""
MOST_AHEAD = 2
"""More would push each other out of the processors' caches: with four, two threads do a tenth less."""
Made = TypeVar("Made")


@dataclass(frozen=True)
class ImageBatch:
    """What a Data layer makes of some records."""

    images: Tensor
    """Pixels, or values where every image has a mean of its own: see `Records.end`."""
    labels: Tensor

    def pinned(self) -> "ImageBatch":
        """Return the same where the GPU reads it by itself."""
        return ImageBatch(self.images.pin_memory(), self.labels.pin_memory())


@dataclass(frozen=True)
class DrawnRecords:
    """The records of one batch, and what is drawn for them."""

    numbers: NDArray[np.int64]
    """In their LMDB, from 0."""
    keys: Sequence[bytes]
    draws: Draws
    """A row for each record."""


class Records:
    """The records of one Data layer by batch: the LMDB goes round without an end."""

    def __init__(self, layer: LayerShapes, context: LayerContext, decoders: int | None = None) -> None:
        """`decoders` decode records; None: as many as there are processors, or this process alone where a
        batch is small."""
        self.layer, self.context = layer.layer, context
        self.path = Path(layer.layer.data_param.source)
        self.shape = layer.tops[0]
        self.transform = ImageTransform(layer.layer, self.shape[1:], context.phase)
        self._records = NumberedRecords(self.path)
        self._decoder = Decoder(self._records, self.transform)
        self._pinning = Pinning(context.net.device)
        self._decoder_count = (
            decoder_count(self.batch_bytes, context.net.ranks) if decoders is None else decoders
        )

    @property
    def count(self) -> int:
        """Of all records."""
        return len(self._records)

    @property
    def batch_bytes(self) -> int:
        """The size of one batch of images."""
        return prod(self.shape) * np.dtype(self.transform.kind).itemsize

    def rows(self, number: int) -> DrawnRecords:
        """Return what this rank's batch of a pass is made of, by its number."""
        size, net = self.shape[0], self.context.net
        position = (number * net.ranks + net.rank) * size
        numbers = (position + np.arange(size)) % self.count
        return DrawnRecords(numbers, self._records.keys(position, size), self._draws(number))

    def _draws(self, number: int) -> Draws:
        if not self.transform.draws:
            return np.zeros((self.shape[0], 3))
        size, net = self.shape[0], self.context.net
        random = streams.generator(net.seed, streams.TRANSFORMS, self.context.index, number)
        of_all = random.random((net.ranks * size, 3))  # as one process draws for a batch of them all
        return of_all[net.rank * size :][:size]

    def begin(self, rows: DrawnRecords, which: Sequence[int] | None = None) -> Callable[[], ImageBatch]:
        """Begin to decode and transform records, all of them or those at some places; what is returned waits
        for it. For one thread at a time. Both raise BadDataError and EngineError."""
        keys, draws = rows.keys, rows.draws
        if which is not None:
            keys, draws = [keys[at] for at in which], draws[list(which)]
        begun = self._pool.begin(keys, draws)

        def made() -> ImageBatch:
            images, labels = begun()
            return ImageBatch(torch.from_numpy(images), _tensor(labels))

        return self._pinning.of(made, ImageBatch.pinned)

    @cached_property
    def _pool(self) -> Decoders | DecoderThread:
        """What makes batches: it starts with the first."""
        if not self._decoder_count:
            return DecoderThread(self.path, self.transform)
        return Decoders(self.path, self.transform, self.shape[0], self._decoder_count)

    def labels(self, rows: DrawnRecords) -> Tensor:
        """Return the labels alone. Raises BadDataError."""
        labels = _tensor(self._decoder.labels(rows.keys))
        return on_host(tuple(labels.shape), labels.dtype, self.context.net.device).copy_(labels)

    def end(self, images: Tensor) -> Tensor:
        """Return a batch's values on the device where its pixels are: (pixel - mean) * scale, in float32."""
        if images.dtype != torch.uint8:
            return images
        mean, scale = self.transform.end()
        values = images.to(torch.float32)
        if mean is not None:
            values.sub_(torch.from_numpy(mean).to(images.device))
        return values.mul_(scale) if scale != 1 else values


def _tensor(labels: list[int]) -> Tensor:
    return torch.from_numpy(np.array(labels, np.float32))


class Ahead(Generic[Made]):
    """Things by ascending number, some of which are begun ahead."""

    def __init__(self, begin: Callable[[int], Callable[[], Made]], each_bytes: int) -> None:
        """`begin` returns what waits for the thing of a number."""
        self.begin = begin
        self.depth = max(1, min(MOST_AHEAD, AHEAD_BYTES // max(1, each_bytes)))
        self._begun: deque[tuple[int, Callable[[], Made]]] = deque()

    def take(self, number: int) -> Made:
        """Return the one of that number, with those after it begun."""
        if not self._begun or self._begun[0][0] != number:
            self._begun.clear()
        for following in range(number + len(self._begun), number + 1 + self.depth):
            self._begun.append((following, self.begin(following)))
        return self._begun.popleft()[1]()


class DataSource:
    """The batches of one Data layer by number."""

    def __init__(self, layer: LayerShapes, context: LayerContext, decoders: int | None = None) -> None:
        """`decoders` is as in Records."""
        self.records = Records(layer, context, decoders)
        self._ahead = Ahead(
            lambda number: self.records.begin(self.records.rows(number)), self.records.batch_bytes
        )

    def batch(self, number: int) -> ImageBatch:
        """Return images and labels of the batch of that number. Raises BadDataError and EngineError."""
        with self.records.context.net.waiting():
            return self._ahead.take(number)
