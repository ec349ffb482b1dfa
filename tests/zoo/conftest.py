"""Real Caffe, asked what it makes of a net."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format

from ftjob.fs.paths import cache_dir
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter

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


AskCaffe = Callable[[Sequence[NetParameter]], list[CaffeNet | str]]


def _read(shapes: dict[str, Any] | None, log: str) -> CaffeNet | str:
    if shapes is not None and any(0 in shape for _, shape in shapes["blobs"]):
        return "a blob of size 0, which only Caffe accepts"
    if shapes is None:
        return log[log.rfind("Check failed") :].splitlines()[0] if "Check failed" in log else log[-500:]
    return CaffeNet(
        blobs={name: tuple(shape) for name, shape in shapes["blobs"]},
        params={name: tuple(tuple(shape) for shape in blobs) for name, blobs in shapes["params"]},
        layers=tuple(shapes["layers"]),
        memory=int(re.findall(r"Memory required for data: (\d+)", log)[-1]),
        backward=frozenset(re.findall(r"\] (\S+) needs backward computation", log)) & {*shapes["layers"]},
    )


@pytest.fixture(scope="session")
def ask_caffe(needs_caffe: None, tmp_path_factory: pytest.TempPathFactory) -> AskCaffe:
    """Load nets, each in the phase of its state, and return what Caffe made of them, or why it did not."""

    def ask(nets: Sequence[NetParameter]) -> list[CaffeNet | str]:
        folder = tmp_path_factory.mktemp("nets")
        paths = [folder / f"{index}.prototxt" for index in range(len(nets))]
        for net, path in zip(nets, paths, strict=True):
            path.write_text(text_format.MessageToString(net))
        wanted = [
            {"prototxt": str(path), "phase": "TRAIN" if net.state.phase == TRAIN else "TEST"}
            for net, path in zip(nets, paths, strict=True)
        ]
        done = subprocess.run(
            [CAFFE_PYTHON, PROBE],
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        logs = [path.with_name(f"{path.name}.log").read_text() for path in paths]
        answers = map(json.loads, done.stdout.splitlines())
        return [_read(shapes, log) for shapes, log in zip(answers, logs, strict=True)]

    return ask
