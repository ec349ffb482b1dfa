"""A net whose frozen trunk runs once for each image: what it made of one before comes from a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from ftjob.engine.caffe.process.nets import PycaffeNet
from ftjob.engine.process.feature_file import FeatureFile, keep


@dataclass(frozen=True)
class TrunkFields:
    """A frozen trunk by the names of its net, as it travels to Caffe's process."""

    phase: str
    before: List[str]
    """The layers that make the features: the Data layer, the trunk, and Splits."""
    head: List[str]
    """The layers after it, and the Splits through which they read features and labels."""
    features: List[str]
    labels: List[str]
    records: int
    """Of the Data layer's LMDB."""
    digest: str
    """Of all that the features depend on but the weights."""
    folder: str
    """Where features are kept."""
    limit: int
    """Bytes that all files there may have together."""


class FeatureNet(PycaffeNet):
    """A net cut where its trunk ends; solver and snapshots know it as the whole net that it is.

    A row of its file has the features of one record, then its label: all that the layers after the trunk
    read. Caffe's Data layer takes the records in order, so the number of the pass says which they are. It
    draws nothing at random here (find_trunk, cutting.py), so it may lag behind and catch up where a row is
    missing. The trunk then runs for the whole batch, as it does where nothing is kept.
    """

    def __init__(self, net: Any, fields: TrunkFields) -> None:
        super().__init__(net)
        self.fields = fields
        places = {name: i for i, name in enumerate(net._layer_names)}
        self.before = [places[name] for name in fields.before]
        self.head = [places[name] for name in fields.head]
        boundary = fields.features + fields.labels
        self.boundary = [self.blobs[name] for name in boundary]
        tops = {net._blob_names[top] for i in self.head for top in net._top_ids(i)}
        self.after = tops.union(boundary)
        self.batch = self.batch_size()
        floats = sum(blob.count for blob in self.boundary) // self.batch
        self.rows = np.empty((self.batch, floats), np.float32)
        self.passes = 0
        """Batches that were taken: of those the Data layer may have brought fewer."""
        self.file: Optional[FeatureFile] = None
        self.is_settled = False
        self.numbers: List[int] = []
        self.missing: List[int] = []
        """Places in the batch without a row."""
        self.skips = False
        """Whether the next pass begins at the features."""

    def settle(self) -> None:
        """Open the file of the trunk's features, by its weights as they are now; the log says which."""
        if self.is_settled:
            return
        self.is_settled = True
        digest = hashlib.sha256(self.fields.digest.encode())
        for i in self.before:
            for blob in self.net.layers[i].blobs:
                digest.update(memoryview(blob.data).cast("B"))
        fields, floats = self.fields, self.rows.shape[1]
        what = "%s: %s" % (fields.phase, ", ".join(fields.features))
        folder = Path(fields.folder)
        self.file = keep(folder, digest.hexdigest(), floats, fields.records, fields.limit, what)

    def unsettle(self) -> None:
        if self.file:
            self.file.close()
        self.file, self.is_settled = None, False

    def kept(self) -> Dict[str, Any]:
        self.settle()
        if self.file is None:
            return {}
        fields, file = self.fields, self.file
        is_test = fields.phase == "TEST"
        return {"path": str(file.path), "floats": file.floats, "rows": fields.records, "is_test": is_test}

    def prepare(self, blobs: Sequence[str] = ()) -> Iterator[None]:
        self.settle()
        first, records = self.passes * self.batch, self.fields.records
        self.numbers = [(first + at) % records for at in range(self.batch)]
        self.missing = [at for at, number in enumerate(self.numbers) if not self._read(number, at)]
        self.skips = not self.missing and self.after.issuperset(blobs)
        if self.skips:
            return
        period = records // gcd(records, self.batch)
        for _ in range((self.passes - self.drawn) % period):
            self.net._forward(self.sources[0], self.sources[0])
            self.drawn += 1
            yield

    def _read(self, number: int, at: int) -> bool:
        return self.file is not None and self.file.read(number, self.rows[at])

    def forward(self) -> float:
        """Run the layers after the trunk, and those before where `prepare` found a row missing."""
        if self.skips:
            self._give()
        else:
            for i in self.before:
                self.net._forward(i, i)
            self.drawn += 1
            self._keep()
        self.passes += 1
        loss = np.float32(0)  # as Caffe adds them up
        for i in self.head:
            loss += np.float32(self.net._forward(i, i))
        return float(loss)

    def _give(self) -> None:
        begin = 0
        for blob in self.boundary:
            data = blob.data
            end = begin + blob.count // self.batch
            data[...] = self.rows[:, begin:end].reshape(data.shape)
            begin = end

    def _keep(self) -> None:
        if not self.missing or self.file is None:
            return
        made = np.hstack([blob.data.reshape(self.batch, -1) for blob in self.boundary])
        for at in self.missing:
            self.file.write(self.numbers[at], made[at])

    def replay(self, batches: int) -> Iterator[None]:
        """Have dropout draw the random numbers of so many passes, and the Data layer bring no more batches
        than the next pass needs."""
        for _ in range(batches if self.dropouts else 0):
            for i in self.dropouts:
                self.net._forward(i, i)
            yield
        self.passes += batches
        yield from self.prepare()
