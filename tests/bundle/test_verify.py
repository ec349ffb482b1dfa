"""`ftjob verify` of bundles that came from anywhere, with real engines: what it leaves behind is nothing."""

import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ftjob.engine.open import READERS
from ftjob.errors import ExitCode
from ftjob.net.proto.caffe_pb2 import NetParameter
from tests.bundle.conftest import Changed
from tests.bundle.test_read_bundle import mutate
from tests.engines import ENGINES
from tests.forked import client

MOST_KILOBYTES = 600_000
LONGEST = 2000
"""Characters of what is printed."""
PATIENCE_SECONDS = 60
"""For a process that needs two on a quiet machine."""
WITH_ENGINES = pytest.mark.parametrize("engine", ENGINES)


@dataclass(frozen=True)
class Ended:
    code: int
    text: str
    kilobytes: int
    """The most that ftjob or its engine had in memory."""


@pytest.fixture
def verify(tmp_path: Path) -> Iterator[Callable[..., Ended]]:
    """Call the command line in an empty folder, with a temporary folder of its own; both must stay empty."""

    def call(bundle: Changed, engine: str) -> Ended:
        empty, scratch, printed = tmp_path / "empty", tmp_path / "scratch", tmp_path / "printed"
        empty.mkdir(exist_ok=True)
        scratch.mkdir(exist_ok=True)
        before = _tree(bundle.root)
        with printed.open("wb") as output:
            process = client.popen(
                [*client.FTJOB, "verify", str(bundle.root), "--engine", engine],
                cwd=empty,
                env={**os.environ, "TMPDIR": str(scratch)},
                stdout=output,
                stderr=output,
            )
        alarm = threading.Timer(PATIENCE_SECONDS, process.kill)
        alarm.start()
        kilobytes = 0
        while process.poll() is None:
            kilobytes = max(kilobytes, _most_kilobytes(process.pid))
            time.sleep(0.02)
        alarm.cancel()
        assert _tree(bundle.root) == before
        assert [*empty.iterdir(), *scratch.iterdir()] == []
        return Ended(process.returncode, printed.read_text(), kilobytes)

    with client.quick("ftjob"):
        yield call


def _most_kilobytes(pid: int) -> int:
    """Return the most that a process or a child of it has had in memory: as the kernel has it of each, since
    what getrusage says of a process begins with what its parent had."""
    most = 0
    with suppress(psutil.NoSuchProcess, OSError):
        ours = psutil.Process(pid)
        for process in (ours, *ours.children(recursive=True)):
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            most = max(most, int(found[1]) if found else 0)
    return most


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(each): (each.lstat().st_size, each.lstat().st_mtime_ns) for each in folder.rglob("*")}


def held(ended: Ended) -> None:
    """What is so of every end."""
    assert ended.code in set(ExitCode), ended.text
    assert "Traceback" not in ended.text
    assert ended.text.replace("\n", "").isprintable()
    assert len(ended.text) < LONGEST
    assert ended.kilobytes < MOST_KILOBYTES


@WITH_ENGINES
@pytest.mark.parametrize(
    "layer",
    [
        'type: "HDF5Output" bottom: "conv" bottom: "conv" hdf5_output_param { file_name: "%s" }',
        'type: "Data" top: "x" data_param { source: "%s" batch_size: 1 backend: LEVELDB }',
        'type: "Data" top: "x" data_param { source: "%s" batch_size: 1 backend: LMDB }',
        'type: "ImageData" top: "x" top: "y" image_data_param { source: "/etc/passwd" batch_size: 1 }',
        'type: "Python" bottom: "conv" top: "x" python_param { module: "antigravity" layer: "fly" }',
    ],
)
def test_no_layer_writes_reads_or_runs_anything(
    bundle: Changed, verify: Callable[..., Ended], engine: str, layer: str, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    bundle.add_layer(f'layer {{ name: "odd" {layer.replace("%s", str(target))} }}')
    ended = verify(bundle, engine)
    held(ended)
    assert ended.code == ExitCode.BAD_NET
    assert "may only compute" in " ".join(ended.text.split())
    assert "root:" not in ended.text
    assert not target.exists()


@pytest.mark.parametrize("engine", [*ENGINES, *READERS])
def test_what_was_checked_is_what_is_asked(
    bundle: Changed, verify: Callable[..., Ended], engine: str
) -> None:
    """A bundle that is whole verifies; with other weights of the same shapes it does not."""
    ended = verify(bundle, engine)
    held(ended)
    assert ended.code == 0, ended.text
    weights = NetParameter.FromString(bundle.weights.read_bytes())
    next(layer for layer in weights.layer if layer.name == "conv").blobs[0].data[0] += 1
    bundle.write("weights.caffemodel", weights.SerializeToString())
    ended = verify(bundle, engine)
    held(ended)
    assert ended.code == ExitCode.NOT_ACCEPTED


@WITH_ENGINES
def test_changed_bundles_end_in_a_line(
    copy_of: Callable[[str], Changed], verify: Callable[..., Ended], engine: str
) -> None:
    """Some of those that `read_bundle` is tried with; an engine is given what it lets through."""
    for seed in range(8):
        bundle = copy_of(f"bundle-{seed}")
        mutate(bundle, random.Random(seed))
        held(verify(bundle, engine))
