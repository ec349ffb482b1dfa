"""Real Caffe, asked what it makes of a net."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import text_format

from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter
from ftjob.paths import cache_dir

CAFFE_PYTHON = cache_dir() / "engines" / "caffe" / "bin" / "caffe-python"
PROBE = Path(__file__).parent / "probe.py"


@dataclass(frozen=True)
class CaffeNet:
    """What Caffe made of one net, as it says itself."""

    blobs: dict[str, tuple[int, ...]]
    params: dict[str, tuple[tuple[int, ...], ...]]
    layers: tuple[str, ...]
    memory: int
    """Bytes, from the last line "Memory required for data"."""
    backward: frozenset[str]
    """The layers it said need backward computation."""


AskCaffe = Callable[[Sequence[NetParameter]], list[CaffeNet]]


def _read(shapes: dict[str, list], log: str) -> CaffeNet:
    return CaffeNet(
        blobs={name: tuple(shape) for name, shape in shapes["blobs"]},
        params={name: tuple(tuple(shape) for shape in blobs) for name, blobs in shapes["params"]},
        layers=tuple(name for name, _ in shapes["layers"]),
        memory=int(re.findall(r"Memory required for data: (\d+)", log)[-1]),
        backward=frozenset(re.findall(r"\] (\S+) needs backward computation", log)),
    )


@pytest.fixture(scope="session")
def ask_caffe(tmp_path_factory: pytest.TempPathFactory) -> AskCaffe:
    """Load nets (with their state's phase) in one Caffe process and return what each became."""

    def ask(nets: Sequence[NetParameter]) -> list[CaffeNet]:
        folder = tmp_path_factory.mktemp("nets")
        wanted = []
        for index, net in enumerate(nets):
            path = folder / f"{index}.prototxt"
            path.write_text(text_format.MessageToString(net))
            wanted.append({"prototxt": str(path), "phase": "TRAIN" if net.state.phase == TRAIN else "TEST"})
        done = subprocess.run(
            [CAFFE_PYTHON, PROBE],
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        logs = done.stderr.split("\nPROBE\n")[1:]
        return [_read(shapes, log) for shapes, log in zip(json.loads(done.stdout), logs, strict=True)]

    return ask
