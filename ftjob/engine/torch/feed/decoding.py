"""From records to rows of a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.lmdb.datum import RecordError, read_head
from ftjob.dataset.lmdb.decode import decode_planes
from ftjob.dataset.lmdb.read import StoredRecords, record_name
from ftjob.engine.torch.feed.transform import ImageTransform
from ftjob.errors import BadDataError

Draws = NDArray[np.float64]
"""A Draw for each record (N, 3)."""


class Decoder:
    """Decodes, crops and mirrors the records of one Data layer. For one thread at a time."""

    def __init__(self, records: StoredRecords, transform: ImageTransform) -> None:
        self.records, self.transform = records, transform

    def fill(self, rows: NDArray[Any], keys: Sequence[bytes], draws: Draws) -> list[int]:
        """Write the pixels of the records of those keys to the rows (N, C, H, W), or their values where every
        image has a mean of its own (see ImageTransform.kind); return their labels. Raises BadDataError, which
        names the record."""
        write = self.transform.pixels_into if self.transform.ends_alike else self.transform.into
        labels: list[int] = []
        try:
            for row, (_, value), draw in zip(rows, self.records.at(keys), draws.tolist(), strict=True):
                head = read_head(value)
                write(row, decode_planes(head, value[head.data]), draw)
                labels.append(head.label)
        except (RecordError, ValueError) as error:
            raise self._named(keys[len(labels)], error) from error
        return labels

    def labels(self, keys: Sequence[bytes]) -> list[int]:
        """Return the labels alone. Raises BadDataError."""
        labels: list[int] = []
        try:
            for _, value in self.records.at(keys):
                labels.append(read_head(value).label)
        except RecordError as error:
            raise self._named(keys[len(labels)], error) from error
        return labels

    def _named(self, key: bytes, error: Exception) -> BadDataError:
        return BadDataError(f"{record_name(self.records.location, key)}: {error}")
