"""Collects blobs over several batches."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

import numpy as np


class Rows:
    """The rows of the first `records` records, or one value for each batch of a blob without a batch axis."""

    def __init__(self, records: int, blobs: List[str]) -> None:
        self.records = records
        self.parts: Dict[str, List[Any]] = {name: [] for name in blobs}

    def take(self, first: int, batch: int, arrays: Mapping[str, Any]) -> None:
        """Copy the blobs of the batch that begins at record `first`."""
        for name, parts in self.parts.items():
            data = arrays[name]
            by_record = data.ndim > 0 and len(data) == batch
            parts.append(np.array(data[: self.records - first] if by_record else data[np.newaxis]))

    def arrays(self) -> Dict[str, Any]:
        """Return one array for each blob."""
        return {name: np.concatenate(parts) for name, parts in self.parts.items()}
