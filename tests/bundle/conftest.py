"""A real bundle, and copies of it in which something is another."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from examples.digits.images import write_digits
from ftjob.fs import files
from ftjob.net.proto.caffe_pb2 import BlobProto
from ftjob.runfolder.layout import BundleFolder
from tests.conftest import MACHINE_CACHE
from tests.e2e.jobs import Job

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""


@dataclass(frozen=True)
class Changed(BundleFolder):
    """A bundle that somebody changed, whose manifest is right all the same."""

    def seal(self) -> None:
        """Give the manifest the digests of all files that are there."""
        found = sorted(path for path in self.root.rglob("*") if path.is_file() and path != self.manifest)
        manifest = json.loads(self.manifest.read_text())
        manifest["files"] = {path.relative_to(self.root).as_posix(): files.sha256(path) for path in found}
        files.write_json(self.manifest, manifest)

    def write(self, key: str, data: str | bytes) -> None:
        """Put something in a file's place."""
        path = self.root / key
        path.unlink(missing_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        self.seal()

    def set(self, key: str, *path: str | int, value: Any) -> None:
        """Put a value into a document."""
        document = inner = json.loads((self.root / key).read_text())
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        self.write(key, json.dumps(document))

    def add_layer(self, text: str) -> None:
        """Put a layer into the net, before its last one."""
        net = self.deploy.read_text()
        before, _, last = net.rpartition("layer {")
        self.write("deploy.prototxt", f"{before}{text}\nlayer {{{last}")


@pytest.fixture(scope="session")
def made(needs_caffe: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a run over digits, with a mean image."""
    folder = tmp_path_factory.mktemp("made")
    write_digits(folder / "train", range(3), slice(20))
    write_digits(folder / "val", range(3), slice(20, 30))
    (folder / "net.prototxt").write_text(NET)
    mean = BlobProto(num=1, channels=1, height=32, width=32, data=[30.0] * 1024)
    (folder / "mean.binaryproto").write_bytes(mean.SerializeToString())
    job = Job(folder)
    job.write(data={"mean": "mean.binaryproto"}, solver={"max_iter": 5})
    with pytest.MonkeyPatch.context() as patch:
        (folder / "cache").mkdir()
        (folder / "cache" / "engines").symlink_to(MACHINE_CACHE / "engines")
        patch.setenv("FTJOB_CACHE", str(folder / "cache"))
        job.submit()
    return job.run().bundle


@pytest.fixture
def copy_of(made: Path, tmp_path: Path) -> Callable[[str], Changed]:
    """Copy the bundle to a folder of its own."""
    return lambda name: Changed(shutil.copytree(made, tmp_path / name))


@pytest.fixture
def bundle(copy_of: Callable[[str], Changed]) -> Changed:
    """One copy."""
    return copy_of("bundle")
