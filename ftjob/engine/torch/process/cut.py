"""A net whose frozen trunk runs once for each image: what it made of one before comes from a file."""

import hashlib
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ftjob.engine import Features
from ftjob.engine.process.feature_file import FLOAT_BYTES, FeatureFile, keep
from ftjob.engine.torch.process.data import Ahead, ImageBatch, Records
from ftjob.engine.torch.process.layers.making import NetContext
from ftjob.engine.torch.process.net import Passed, TorchNet
from ftjob.engine.torch.process.pinning import on_host, sent, thread_for
from ftjob.net.precision import HALF_BYTES, top_bytes
from ftjob.net.proto.caffe_pb2 import NetParameter, Phase
from ftjob.net.topology.shapes import infer_shapes
from ftjob.net.topology.trunk import Trunk, find_trunk

FORMAT = "ftjob features 1"


@dataclass(frozen=True)
class FeatureBatch:
    """The features of a batch, as far as they are there."""

    rows: NDArray[np.int64]
    """Of the file, one for each image."""
    features: Tensor
    """(images, floats); those that are missing hold anything."""
    labels: Tensor
    missing: list[int]
    """Places in the batch."""
    images: Callable[[], ImageBatch] | None
    """Waits for those of the missing ones."""


class CutNet:
    """One that was cut where its trunk ends; it passes as the whole net does."""

    def __init__(self, whole: TorchNet, trunk: Trunk, records: Records, file: FeatureFile) -> None:
        self.whole, self.trunk, self.records, self.file = whole, trunk, records, file
        self.head = TorchNet(infer_shapes(trunk.head), whole.weights, whole.context, whole)
        self.dtypes = _dtypes(whole, trunk)
        self.trunks: dict[tuple[int, int], TorchNet] = {}
        """By number of images, and number of the thread."""
        self._computing = _Computing(1 if whole.context.device.type == "cuda" else torch.get_num_threads())
        self._reader = thread_for(whole.context.device, "features read")
        self._ahead = Ahead(self._begin, FLOAT_BYTES * trunk.floats * records.shape[0])
        self._writer = ThreadPoolExecutor(1, "features written")

    def forward(self, keep: Collection[str] = ()) -> Passed:
        """Run the layers after the trunk, or all where a blob to keep is the trunk's."""
        if not all(blob in self.head.shapes.blobs for blob in keep):
            return self.whole.forward(keep)
        with self.whole.context.waiting():
            batch = self._ahead.take(self.whole.context.passes)
            images = batch.images().images if batch.images else None
        if images is not None:
            self._complete(batch, images)
        device = self.whole.context.device
        features = sent(batch.features, device).split([*map(prod, self.trunk.shapes)], dim=1)
        self.head.given = {
            blob: values.reshape(-1, *shape).to(dtype)
            for blob, values, shape, dtype in zip(
                self.trunk.features, features, self.trunk.shapes, self.dtypes, strict=True
            )
        }
        self.head.given.update(dict.fromkeys(self.trunk.labels, sent(batch.labels, device)))
        return self.head.forward(keep)

    def kept(self, *, is_test: bool) -> dict[str, str | int]:
        """Return the fields of ftjob.engine.FeatureRows as they travel."""
        rows = self.records.count * self.trunk.variants
        return {"path": str(self.file.path), "floats": self.file.floats, "rows": rows, "is_test": is_test}

    def _begin(self, number: int) -> Callable[[], FeatureBatch]:
        return self._reader.submit(self._make, number).result

    def _make(self, number: int) -> FeatureBatch:
        """Read the features of a batch, and the pixels of those that are missing."""
        rows = self.records.rows(number)
        numbers = rows.numbers * self.trunk.variants
        if self.trunk.mirrors:
            numbers = numbers + [self.records.transform.mirrors(draw) for draw in rows.draws]
        features = on_host((len(numbers), self.trunk.floats), torch.float32, self.whole.context.device)
        rows_of_file = features.numpy()
        missing = [at for at, row in enumerate(numbers) if not self.file.read(int(row), rows_of_file[at])]
        images = self.records.begin(rows, missing) if missing else None
        return FeatureBatch(numbers, features, self.records.labels(rows), missing, images)

    def _complete(self, batch: FeatureBatch, images: Tensor) -> None:
        """Compute the features that are missing, and have them kept."""
        values = self.records.end(sent(images, self.whole.context.device))
        made = torch.cat(self._computing.map(self._made_of, values)).cpu()
        batch.features[batch.missing] = made
        self._writer.submit(self._keep, batch.rows[batch.missing], made.numpy())

    def _made_of(self, thread: int, values: Tensor) -> Tensor:
        """Return the features (images, floats) of some images."""
        trunk = self._trunk(len(values), thread)
        trunk.given = {self.trunk.images: values}
        with torch.no_grad():
            passed = trunk.forward(self.trunk.features)
            return torch.cat([passed.blobs[blob].flatten(1).float() for blob in self.trunk.features], 1)

    def _keep(self, rows: NDArray[np.int64], features: NDArray[np.float32]) -> None:
        for row, values in zip(rows, features, strict=True):
            self.file.write(int(row), values)

    def _trunk(self, size: int, thread: int) -> TorchNet:
        if (size, thread) not in self.trunks:
            whole = self.whole.context
            shapes = infer_shapes(self.trunk.trunk, {self.trunk.images: (size, *self.records.shape[1:])})
            context = NetContext(whole.phase, whole.device, whole.seed, numerics=whole.numerics)
            self.trunks[size, thread] = TorchNet(shapes, self.whole.weights, context, self.whole)
        return self.trunks[size, thread]


class _Computing:
    """Threads that compute with one processor each, on images of their own: unlike the threads of one
    operation, they do not wait for each other after every layer."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads, "trunk", initializer=torch.set_num_threads, initargs=(1,))

    def map(self, function: Callable[[int, Tensor], Tensor], values: Tensor) -> list[Tensor]:
        """Call the function with the number of a thread and its share of the values, in all threads."""
        if self.threads == 1:
            return [function(0, values)]
        shares = [share for share in values.tensor_split(self.threads) if len(share)]
        try:
            return list(self._pool.map(function, range(len(shares)), shares))
        finally:
            torch.set_num_threads(self.threads)  # a new thread's number is MKL's for all


def _dtypes(whole: TorchNet, trunk: Trunk) -> list[torch.dtype]:
    """Return the types of the features in the whole net; the file has them all in float32, exactly."""
    inside, numerics = {layer.name for layer in trunk.trunk.layer}, whole.context.numerics
    sizes = {
        top: size
        for layer, size in top_bytes(whole.shapes, half=numerics.half)
        for top in layer.layer.top
        if layer.name in inside
    }
    return [numerics.dtype if sizes.get(blob) == HALF_BYTES else torch.float32 for blob in trunk.features]


def cut(
    whole: TorchNet, net: NetParameter, wanted: Features | None, changed: Collection[str]
) -> TorchNet | CutNet:
    """Return a net that keeps the features of its trunk as its weights are now; itself where they are not
    wanted, it has no trunk, or they cannot be kept, which the log says.

    `net` has the layers that `whole` was made of; `changed` are those that training changes.
    """
    trunk = find_trunk(net, whole.shapes, whole.context.phase, changed) if wanted else ""
    if isinstance(trunk, str):
        return whole
    records = whole.records(trunk.images)
    digest = wanted.digests.get(records.layer.data_param.source) if wanted else None
    if wanted is None or digest is None:
        return whole
    name, rows = _digest(whole, trunk, records, digest), records.count * trunk.variants
    what = f"{Phase.Name(whole.context.phase)}: {', '.join(trunk.features)}"
    file = keep(wanted.folder, name, trunk.floats, rows, wanted.limit, what)
    return CutNet(whole, trunk, records, file) if file else whole


def _digest(whole: TorchNet, trunk: Trunk, records: Records, data: str) -> str:
    """Return the digest of all that features depend on; `data` is that of the LMDB."""
    mean = records.transform.mean
    parts = [
        *map(
            str.encode,
            (FORMAT, torch.__version__, whole.context.device.type, repr(whole.context.numerics), data),
        ),
        *trunk.definition,
        b"" if mean is None else mean.tobytes(),
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}\n".encode() + part)
    for layer in trunk.trunk.layer:
        for tensor in whole.weights.get(layer.name, ()):
            digest.update(memoryview(tensor.detach().cpu().numpy()).cast("B"))
    return digest.hexdigest()
