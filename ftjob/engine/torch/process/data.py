"""The Data layer: records of an LMDB in order, transformed as data_transformer.cpp does, some batches ahead.

Records are decoded, cropped and mirrored by a thread for each processor, each its share of a batch. A batch
travels to the device as bytes, and mean and scale are applied to all of it there. What a batch holds depends
on its number alone.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.concurrency import processors
from ftjob.dataset.lmdb.datum import Buffer, DatumHead, RecordError, read_head
from ftjob.dataset.lmdb.decode import decode_planes
from ftjob.dataset.lmdb.read import NumberedRecords, record_name
from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.layers.making import LayerContext
from ftjob.engine.torch.process.transform import Draw, ImageTransform
from ftjob.errors import BadDataError
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


@dataclass(frozen=True)
class DrawnRecords:
    """The records of one batch as they are stored, and what is drawn for them."""

    numbers: NDArray[np.int64]
    """Of the records in their LMDB, from 0."""
    stored: Sequence[tuple[Buffer, Buffer]]
    """Keys and values."""
    draws: Sequence[Draw]
    """One for each record."""


class Records:
    """The records of one Data layer by batch: the LMDB goes round without an end."""

    def __init__(self, layer: LayerShapes, context: LayerContext, threads: int | None = None) -> None:
        """`threads` decode records; None: as many as there are processors."""
        self.layer, self.context = layer.layer, context
        self.path = Path(layer.layer.data_param.source)
        self.shape = layer.tops[0]
        self.transform = ImageTransform(layer.layer, self.shape[1:], context.phase)
        self.kind = np.uint8 if self.transform.ends_alike else np.float32
        self._records = NumberedRecords(self.path)
        self.threads = threads or max(1, processors.share() // context.net.ranks)
        self._pool = ThreadPoolExecutor(self.threads, "pixels")

    @property
    def count(self) -> int:
        """Of all records."""
        return len(self._records)

    @property
    def batch_bytes(self) -> int:
        """The size of one batch of images."""
        return prod(self.shape) * np.dtype(self.kind).itemsize

    def rows(self, number: int) -> DrawnRecords:
        """Read this rank's batch of a pass by its number. For one thread at a time."""
        size, net = self.shape[0], self.context.net
        position = (number * net.ranks + net.rank) * size
        numbers = (position + np.arange(size)) % self.count
        return DrawnRecords(numbers, self._records.stored(position, size), self._draws(number))

    def _draws(self, number: int) -> Sequence[Draw]:
        if not self.transform.draws:
            return [(0.0, 0.0, 0.0)] * self.shape[0]
        size, net = self.shape[0], self.context.net
        random = streams.generator(net.seed, streams.TRANSFORMS, self.context.index, number)
        of_all = random.random((net.ranks * size, 3))  # as one process draws for a batch of them all
        return cast("list[list[float]]", of_all[net.rank * size :][:size].tolist())

    def begin(self, rows: DrawnRecords, which: Sequence[int] | None = None) -> Callable[[], ImageBatch]:
        """Begin to decode and transform records, all of them or those at some places; what is returned waits
        for it, and raises BadDataError."""
        places = range(len(rows.stored)) if which is None else which
        images = np.empty((len(places), *self.shape[1:]), self.kind)
        labels = np.empty(len(places), np.float32)

        def fill(begin: int) -> None:
            for at in range(begin, min(begin + share, len(places))):
                labels[at] = self._fill(images[at], rows.stored[places[at]], rows.draws[places[at]])

        share = max(1, math.ceil(len(places) / self.threads))
        shares = [self._pool.submit(fill, begin) for begin in range(0, len(places), share)]

        def made() -> ImageBatch:
            for each in shares:
                each.result()
            return ImageBatch(torch.from_numpy(images), torch.from_numpy(labels))

        return made

    def labels(self, rows: DrawnRecords) -> Tensor:
        """Return the labels alone. Raises BadDataError."""
        return torch.tensor([self._reading(each, lambda head, _: head.label) for each in rows.stored]).float()

    def end(self, images: Tensor) -> Tensor:
        """Return a batch's values on the device where its pixels are: (pixel - mean) * scale, in float32."""
        if images.dtype != torch.uint8:
            return images
        mean, scale = self.transform.end()
        values = images.to(torch.float32)
        if mean is not None:
            values.sub_(torch.from_numpy(mean).to(images.device))
        return values.mul_(scale) if scale != 1 else values

    def _fill(self, out: NDArray[Any], stored: tuple[Buffer, Buffer], draw: Draw) -> int:
        """Write a record's pixels or values; return its label."""
        write = self.transform.pixels_into if self.kind == np.uint8 else self.transform.into

        def decode(head: DatumHead, value: Buffer) -> int:
            write(out, decode_planes(head, value[head.data]), draw)
            return head.label

        return self._reading(stored, decode)

    def _reading(self, stored: tuple[Buffer, Buffer], read: Callable[[DatumHead, Buffer], int]) -> int:
        """Call that with a record's head and value; its errors name the record."""
        key, value = stored
        try:
            return read(read_head(value), value)
        except (RecordError, ValueError) as error:
            raise BadDataError(f"{record_name(self.path, key)}: {error}") from error


class Ahead(Generic[Made]):
    """Things by ascending number, some of which a thread makes ahead."""

    def __init__(self, make: Callable[[int], Made], each_bytes: int) -> None:
        self.make = make
        self.depth = max(1, min(MOST_AHEAD, AHEAD_BYTES // max(1, each_bytes)))
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._made: deque[tuple[int, Future[Made]]] = deque()

    def take(self, number: int) -> Made:
        """Return the one of that number, and have those after it made."""
        if not self._made or self._made[0][0] != number:
            for _, future in self._made:
                future.cancel()
            self._made.clear()
        for following in range(number + len(self._made), number + 1 + self.depth):
            self._made.append((following, self._thread.submit(self.make, following)))
        return self._made.popleft()[1].result()


class DataSource:
    """The batches of one Data layer by number."""

    def __init__(self, layer: LayerShapes, context: LayerContext, threads: int | None = None) -> None:
        """`threads` decode records; None: as many as there are processors."""
        self.records = Records(layer, context, threads)
        self._ahead = Ahead(self._make, self.records.batch_bytes)

    def batch(self, number: int) -> ImageBatch:
        """Return images and labels of the batch of that number. Raises BadDataError."""
        with self.records.context.net.waiting():
            return self._ahead.take(number)()

    def _make(self, number: int) -> Callable[[], ImageBatch]:
        return self.records.begin(self.records.rows(number))
