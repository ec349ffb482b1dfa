"""How fast records become batches: the torch engine's Data layer, PyTorch's DataLoader, and decoding alone.

Both read the same LMDB of 256x256 records, plain pixels or JPEG, crop 224x224 anywhere, mirror half of them,
and end with batches of 64 as bytes (64, 3, 224, 224), ready to travel to a device; what is left, the same for
both, is the device's work. The DataLoader does it by its best means: a process for each worker, kept, four
batches ahead. Decoding alone is what the JPEG library needs, in as many threads. All take turns in each
round; a ratio is the median of those within a round.

$ROUNDS is the number of rounds, $BATCHES that of batches.
"""

import json
import os
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import torch  # noqa: TID253
from torch.utils.data import DataLoader, Dataset  # noqa: TID253

from ftjob.concurrency.malloc import keep_freed_memory
from ftjob.dataset.lmdb.datum import Buffer, encode_datum, read_head
from ftjob.dataset.lmdb.decode import decode_planes
from ftjob.dataset.lmdb.read import NumberedRecords
from ftjob.engine.phase_nets import shapes_of
from ftjob.engine.torch.process.data import MOST_AHEAD, DataSource
from ftjob.engine.torch.process.layers.making import NetContext, layer_context
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.prototxt import parse_net

ROUNDS = int(os.environ.get("ROUNDS", "12"))
BATCHES = int(os.environ.get("BATCHES", "20"))
SETTLE_SECONDS = 1.0
"""Until nobody makes batches ahead any more: the DataLoader's processes go on with theirs for half of it."""
RECORDS, SIDE, CROP, BATCH = 1024, 256, 224, 64
KINDS = ("raw", "jpeg")
WORKERS = (1, 2)
NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ crop_size: {crop} mirror: true mean_value: 104 mean_value: 117 mean_value: 123 }}
  data_param {{ source: "{source}" batch_size: {batch} backend: LMDB }} }}
"""


class Records(Dataset[tuple[torch.Tensor, int]]):  # type: ignore[misc]
    """The same for the DataLoader: pixels cropped and mirrored, by the record's number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.transaction: lmdb.Transaction | None = None

    def __len__(self) -> int:
        return RECORDS

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if self.transaction is None:  # in the worker's process
            self.transaction = lmdb.open(str(self.path), readonly=True, lock=False).begin(buffers=True)
        value: Any = self.transaction.get(b"%08d" % index)
        head = read_head(value)
        data = np.frombuffer(value[head.data], np.uint8)
        if head.encoded:
            picture: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
            planes = picture.transpose(2, 0, 1)
        else:
            planes = data.reshape(3, SIDE, SIDE)
        row, column, mirror = np.random.randint(0, (SIDE - CROP + 1, SIDE - CROP + 1, 2))
        pixels = planes[:, row : row + CROP, column : column + CROP]
        return torch.from_numpy(np.ascontiguousarray(pixels[:, :, ::-1] if mirror else pixels)), head.label


def main() -> None:
    """Time all in turn; print a table and the ratios."""
    keep_freed_memory()  # as the engine does: both gain by it
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {kind: write(Path(folder, kind), kind) for kind in KINDS}
        made = (("loader", by_loader), ("decode", by_decoding), ("ftjob", by_ftjob))
        feeds = {  # those of a ratio are neighbours, so that what else the machine does is borne by both
            f"{name} {kind} {workers}": make(paths[kind], workers)
            for kind in KINDS
            for name, make in made
            for workers in WORKERS
        }
        for feed in feeds.values():
            run(feed, 4)
        for number in range(ROUNDS):
            for name, feed in feeds.items() if number % 2 else reversed(feeds.items()):
                speeds.setdefault(name, []).append(run(feed, BATCHES))
    for name in feeds:
        print(f"{name:<16}{statistics.median(speeds[name]):>10.0f} img/s")
    print(json.dumps({"rounds": ROUNDS, **ratios(speeds)}))


def ratios(speeds: dict[str, list[float]]) -> dict[str, float]:
    """Return the medians of the ratios within a round."""

    def ratio(ours: str, theirs: str) -> float:
        return round(statistics.median(a / b for a, b in zip(speeds[ours], speeds[theirs], strict=True)), 3)

    return {
        "ratio_raw_dataloader": ratio("ftjob raw 2", "loader raw 2"),
        "ratio_jpeg_dataloader": ratio("ftjob jpeg 2", "loader jpeg 2"),
        "ratio_jpeg_decode_bound": ratio("ftjob jpeg 2", "decode jpeg 2"),
        "ratio_two_workers": ratio("ftjob jpeg 2", "ftjob jpeg 1"),
        "two_workers_decoding": ratio("decode jpeg 2", "decode jpeg 1"),
    }


def run(feed: Callable[[], Iterator[torch.Tensor]], batches: int) -> float:
    """Return the images/s of that many batches, the first of which is not timed."""
    time.sleep(SETTLE_SECONDS)
    made = feed()
    next(made)
    begin = time.perf_counter()
    for _ in range(batches):
        next(made)
    return BATCH * batches / (time.perf_counter() - begin)


def by_ftjob(path: Path, workers: int) -> Callable[[], Iterator[torch.Tensor]]:
    """The Data layer of the torch engine."""
    shapes = shapes_of(parse_net(NET.format(crop=CROP, source=path, batch=BATCH), "net"))
    layer = shapes.layers[0]
    context = layer_context(layer.layer, NetContext(TRAIN, torch.device("cpu"), 1), 0)
    source = DataSource(layer, context, workers)

    def batches() -> Iterator[torch.Tensor]:
        number = 0
        while True:
            yield source.batch(number).images
            number += 1

    return batches


def by_loader(path: Path, workers: int) -> Callable[[], Iterator[torch.Tensor]]:
    """PyTorch's DataLoader."""
    loader = DataLoader(
        Records(path),
        BATCH,
        num_workers=workers,
        persistent_workers=True,
        prefetch_factor=4,
        drop_last=True,
        multiprocessing_context="spawn",
    )

    def batches() -> Iterator[torch.Tensor]:
        while True:
            for images, _ in loader:
                yield images

    return batches


def by_decoding(path: Path, workers: int) -> Callable[[], Iterator[torch.Tensor]]:
    """Records decoded and let go of."""
    records, share = NumberedRecords(path), BATCH // workers

    def decode(stored: list[tuple[Buffer, Buffer]]) -> None:
        for _, value in stored:
            head = read_head(value)
            decode_planes(head, value[head.data])

    def batches() -> Iterator[torch.Tensor]:
        begun: deque[list[Future[None]]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            for number in count():
                stored = records.at(records.keys(number * BATCH, BATCH))
                begun.append([pool.submit(decode, stored[at : at + share]) for at in range(0, BATCH, share)])
                if number < MOST_AHEAD:
                    continue
                for each in begun.popleft():
                    each.result()
                yield torch.empty(0)

    return batches


def write(path: Path, kind: str) -> Path:
    """Write pictures of soft shapes, as photographs are, with some noise."""
    random = np.random.default_rng(0)
    with lmdb.open(str(path), map_size=1 << 30) as env, env.begin(write=True) as txn:
        for number in range(RECORDS):
            small = random.integers(0, 256, (24, 24, 3), dtype=np.uint8)
            soft = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.int16)
            pixels = np.clip(soft + random.integers(-6, 7, soft.shape), 0, 255).astype(np.uint8)
            if kind == "raw":
                data = np.ascontiguousarray(pixels.transpose(2, 0, 1)).tobytes()
                datum = encode_datum(data, number % 10, channels=3, height=SIDE, width=SIDE)
            else:
                data = cv2.imencode(".jpg", pixels, (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()
                datum = encode_datum(data, number % 10, channels=0, height=0, width=0, encoded=True)
            txn.put(b"%08d" % number, datum)
    return path


if __name__ == "__main__":
    main()
