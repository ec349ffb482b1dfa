"""Blobs over several batches."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Rows:
    """The rows of the first `records` records, or one value for each batch of a blob without a batch axis."""

    def __init__(self, records: int, blobs: Sequence[str]) -> None:
        self.records = records
        self.parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in blobs}

    def take(self, first: int, batch: int, blobs: Mapping[str, Tensor]) -> None:
        """Copy what the batch that begins at record `first` left in the blobs."""
        for name, parts in self.parts.items():
            data = blobs[name].float().cpu().numpy()
            by_record = data.ndim > 0 and len(data) == batch
            parts.append(np.array(data[: self.records - first] if by_record else data[np.newaxis]))

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return one array for each blob."""
        return {name: np.concatenate(parts) for name, parts in self.parts.items()}
