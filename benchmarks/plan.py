"""What `ftjob plan` costs its user: seconds and peak memory of whole processes.

GoogLeNet with its 54 MB of weights, and VGG16 with a caffemodel of 528 MB: the first time that file is seen
(it is read once, for its digest) and after that. Weights and LMDBs are made in a temporary folder, and
bytecode is cached there, as Python does where it may. The figures are those of the fastest of $ROUNDS rounds,
since whatever else the machine does only ever slows a round down; the medians stand beside them. The ratios
are what the figures may be at most (0.6 s, 1.5 s, 200 MB) divided by them.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from ftjob.dataset.lmdb.datum import encode_datum
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TRAIN, BlobProto, BlobShape, LayerParameter, NetParameter
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import data_inputs, infer_shapes

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SIDE = 256
TARGETS = {"googlenet": 0.6, "vgg16": 1.5, "vgg16 first": 1.5}
TARGET_MB = 200
SPEC = """\
name: bench
base: {{net: {net}, weights: {net}.caffemodel}}
surgery: {{freeze: {{up_to: {frozen}}}}}
data: {{train: train, val: val, crop: 224, mirror: true, batch_size: 32}}
resources: {{node: p2.xlarge}}
budget: {{usd: 4}}
output: runs
"""


def main() -> None:
    """Run all cases; print a table and the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, records in (("train", 64), ("val", 16)):
            write_lmdb(folder / split, records)
        for net, frozen in (("googlenet", "inception_4a"), ("vgg16", "conv3_3")):
            write_weights(net, folder / f"{net}.caffemodel")
            (folder / f"{net}.yaml").write_text(SPEC.format(net=net, frozen=frozen))
        run(folder, "googlenet")  # writes the bytecode
        figures = {case: measure(folder, case) for case in TARGETS}
    peak = max(figure.megabytes for figure in figures.values())
    report: dict[str, float] = {"rounds": ROUNDS, "peak_megabytes": round(peak)}
    for case, figure in figures.items():
        key = case.replace(" ", "_")
        report |= {
            f"seconds_{key}": round(figure.fastest, 3),
            f"median_seconds_{key}": round(figure.median, 3),
        }
        report |= {f"ratio_{key}": round(TARGETS[case] / figure.fastest, 2)}
    print(json.dumps({**report, "ratio_memory": round(TARGET_MB / peak, 2)}))


@dataclass(frozen=True)
class Figure:
    """What planning one case took."""

    fastest: float
    """Seconds, as is the median."""
    median: float
    megabytes: float
    """The largest peak."""


def measure(folder: Path, case: str) -> Figure:
    """Plan a case $ROUNDS times; print and return what it took."""
    net, _, first = case.partition(" ")
    runs = []
    for _ in range(ROUNDS):
        if first:
            shutil.rmtree(folder / "cache", ignore_errors=True)
        runs.append(run(folder, net))
    seconds = [run[0] for run in runs]
    figure = Figure(min(seconds), statistics.median(seconds), max(run[1] for run in runs))
    print(
        f"{case:<12} {figure.fastest:6.3f} s, median {figure.median:6.3f} s {figure.megabytes:5.0f} MB",
        flush=True,
    )
    return figure


def run(folder: Path, net: str) -> tuple[float, float]:
    """Plan once in a process of its own; return its seconds and its peak memory in MB."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= {"FTJOB_CACHE": str(folder / "cache"), "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ftjob", "plan", f"{net}.yaml"], cwd=folder, env=env, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"ftjob plan ended with {process.returncode}"
    return seconds, usage.ru_maxrss / 1000


def write_lmdb(path: Path, records: int, classes: int = 10, channels: int = 3, side: int = SIDE) -> None:
    """Write images of some classes, each class in a shade of its own."""
    with lmdb.open(str(path), map_size=1 << 28) as env, env.begin(write=True) as txn:
        for number in range(records):
            label = number % classes
            pixels = bytes([label * 255 // classes]) * (channels * side * side)
            datum = encode_datum(pixels, label, channels=channels, height=side, width=side)
            txn.put(b"%08d" % number, datum)


def write_weights(net: str, path: Path) -> None:
    """Write a caffemodel of zeros with the layers and shapes of a built-in net, piece by piece."""
    view = phase_view(zoo.build(net), TRAIN)
    shapes = infer_shapes(view, data_inputs(view.layer, (3, SIDE, SIDE)))
    with path.open("wb") as file:
        for layer in shapes.layers:
            blobs = [(blob_head(param.shape, param.count), 4 * param.count) for param in layer.params]
            starts = [tag(LayerParameter.BLOBS_FIELD_NUMBER, len(head) + size) + head for head, size in blobs]
            name = LayerParameter(name=layer.name, type=layer.type).SerializeToString()
            whole = len(name) + sum(map(len, starts)) + sum(size for _, size in blobs)
            if blobs:
                file.write(tag(NetParameter.LAYER_FIELD_NUMBER, whole) + name)
            for start, (_, size) in zip(starts, blobs, strict=True):
                file.write(start)
                file.writelines(zeros(size))


def blob_head(shape: tuple[int, ...], count: int) -> bytes:
    """Return a BlobProto up to where its numbers begin."""
    return BlobProto(shape=BlobShape(dim=shape)).SerializeToString() + tag(
        BlobProto.DATA_FIELD_NUMBER, 4 * count
    )


def zeros(size: int) -> Iterator[bytes]:
    """Yield that many zero bytes, a megabyte at a time: the peak of a child counts its parent's."""
    for begin in range(0, size, 1 << 20):
        yield bytes(min(1 << 20, size - begin))


def tag(number: int, length: int) -> bytes:
    """Return the beginning of a length-delimited field of protobuf's wire format."""
    return varint(number << 3 | 2) + varint(length)


def varint(number: int) -> bytes:
    """Encode a number as protobuf does: seven bits a byte, the lowest first."""
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


if __name__ == "__main__":
    main()
