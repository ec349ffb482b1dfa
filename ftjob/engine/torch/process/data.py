"""The Data layer: records of an LMDB in order, transformed as data_transformer.cpp does, a batch ahead."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.dataset.lmdb.read import Record, opened, records
from ftjob.engine.torch.process import streams
from ftjob.engine.torch.process.layers.making import LayerContext
from ftjob.engine.torch.process.transform import ImageTransform
from ftjob.errors import BadDataError
from ftjob.net.layers.rule import refuse
from ftjob.net.proto.caffe_pb2 import DataParameter, LayerParameter
from ftjob.net.topology.shapes import LayerShapes, Shape

Batch = tuple[Tensor, Tensor]


def record_shape(layer: LayerParameter) -> Shape:
    """Return (channels, height, width) of a Data layer's first record.

    Raises BadDataError for an LMDB that cannot be read, BadNetError for a database of another kind.
    """
    if layer.data_param.backend != DataParameter.LMDB:
        raise refuse(layer, "its data is no LMDB: give backend: LMDB, and the data as one")
    first = next(records(Path(layer.data_param.source)))
    height, width, channels = first.image.shape
    return channels, height, width


class DataSource:
    """The batches of one Data layer by number: the LMDB goes round without an end."""

    def __init__(self, layer: LayerShapes, context: LayerContext) -> None:
        self.layer, self.context = layer.layer, context
        self.path = Path(layer.layer.data_param.source)
        self.shape = layer.tops[0]
        self.transform = ImageTransform(layer.layer, self.shape[1:], context.net.phase)
        with opened(self.path) as env:
            self.count = int(env.stat()["entries"])
        self._thread = ThreadPoolExecutor(1, "data")
        self._ahead: tuple[int, Future[Batch]] | None = None
        self._records: Iterator[Record] = iter(())
        self._position = -1

    def batch(self, number: int) -> Batch:
        """Return images and labels of the batch of that number, and begin to make the next."""
        ahead = self._ahead
        if ahead is None or ahead[0] != number:
            ahead = number, self._thread.submit(self._make, number)
        made = ahead[1].result()
        self._ahead = number + 1, self._thread.submit(self._make, number + 1)
        return made

    def _make(self, number: int) -> Batch:
        size = self.shape[0]
        images, labels = np.empty(self.shape, np.float32), np.empty(size, np.float32)
        draws = self._draws(number) if self.transform.draws else np.zeros((size, 3))
        self._wind_to(number * size)
        for row in range(size):
            record = self._next()
            labels[row] = record.label
            try:
                self.transform.into(images[row], record.image, draws[row])
            except ValueError as error:
                key = record.key.decode(errors="backslashreplace")
                raise BadDataError(f"{self.path}: record {key}: {error}") from error
        return torch.from_numpy(images), torch.from_numpy(labels)

    def _draws(self, number: int) -> NDArray[np.float64]:
        """Three random numbers for each image, of 0 to 1: row, column, mirror."""
        random = streams.generator(self.context.net.seed, streams.TRANSFORMS, self.context.index, number)
        return random.random((self.shape[0], 3))

    def _wind_to(self, position: int) -> None:
        if position != self._position:
            self._records = records(self.path, position % self.count)
            self._position = position

    def _next(self) -> Record:
        record = next(self._records, None)
        if record is None:
            self._records = records(self.path)
            record = next(self._records)
        self._position += 1
        return record
