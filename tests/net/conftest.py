"""Real Caffe, kept running: it forks for every question, since it ends its process over a net it refuses."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from ftjob.fs.paths import cache_dir
from ftjob.net.proto.caffe_pb2 import TEST, Datum, LayerParameter, NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers
from ftjob.net.topology.layertypes import DATA
from ftjob.net.topology.phases import phase_view, reduce_rules

BIN = cache_dir() / "engines" / "caffe" / "bin"
NETS = {path.stem: path for path in sorted((Path(__file__).parent / "nets").glob("*.prototxt"))}
CLASSES = 7
SIDE = 10
CROP = 8


class Caffe:
    """Real Caffe: `ask` it what tests/net/probe.py can do; `upgrade` a prototxt with its own tool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [BIN / "caffe-python", Path(__file__).with_name("probe.py"), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def ask(self, what: str, **arguments: Any) -> Any:
        """Return the answer. Raises AssertionError with the end of Caffe's log where it gave none."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([what, arguments], default=str) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        log = (self.folder / "log").read_text(errors="replace")
        assert answer is not None, log[-2000:]
        return {"log": log, **answer}

    def trains(self, net: str) -> bool:
        """Say whether Caffe makes the net of a prototxt, and one update of its weights."""
        prototxt, solver = self.folder / "net.prototxt", self.folder / "solver.prototxt"
        prototxt.write_text(net)
        solver.write_text(
            f'net: "{prototxt}" base_lr: 0.01 lr_policy: "fixed" max_iter: 2 solver_mode: CPU '
            f'snapshot_after_train: false snapshot_prefix: "{self.folder}/"'
        )
        try:
            self.ask("updates", solver=solver, iterations=1)
        except AssertionError:
            return False
        return True

    def upgrade(self, prototxt: Path) -> NetParameter:
        """Return a prototxt as upgrade_net_proto_text makes it."""
        out = self.folder / "upgraded.prototxt"
        subprocess.run([self._tool("upgrade_net_proto_text"), prototxt, out], check=True, capture_output=True)
        return parse_net(out.read_text(), str(out))

    def _tool(self, name: str) -> Path:
        """A program of the bundle beside `caffe`, for which ftjob itself has no use."""
        tool = self.folder / "bin" / name
        if not tool.exists():
            tool.parent.mkdir(exist_ok=True)
            (self.folder / "root").symlink_to(BIN.parent / "root")
            tool.write_text((BIN / "caffe").read_text().replace("/usr/bin/caffe", f"/usr/bin/{name}"))
            tool.chmod(0o755)
        return tool

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="session")
def caffe(needs_caffe: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caffe]:
    running = Caffe(tmp_path_factory.mktemp("caffe"))
    yield running
    running.close()


@pytest.fixture(params=NETS)
def net_path(request: pytest.FixtureRequest) -> Path:
    """Every prototxt of tests/net/nets in turn."""
    return NETS[request.param]


@pytest.fixture
def net(net_path: Path) -> NetParameter:
    return parse_net(net_path.read_text(), net_path.name)


def _write_lmdb(path: Path, records: int) -> Path:
    rng = np.random.default_rng(1)
    with lmdb.open(str(path), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for index in range(records):
            pixels = rng.integers(0, 256, (3, SIDE, SIDE), dtype=np.uint8)
            datum = Datum(channels=3, height=SIDE, width=SIDE, data=pixels.tobytes(), label=index % CLASSES)
            txn.put(f"{index:08}".encode(), datum.SerializeToString())
    return path


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataLayers:
    """Two small LMDBs of random images, and how they are fed."""
    folder = tmp_path_factory.mktemp("lmdb")
    return DataLayers(
        train=str(_write_lmdb(folder / "train", 14)),
        val=str(_write_lmdb(folder / "val", 7)),
        channels=3,
        height=SIDE,
        width=SIDE,
        batch_size=4,
        test_batch_size=7,
        crop=CROP,
        mirror=True,
        mean=(104.0, 117.0, 123.0),
        scale=0.01,
    )


@pytest.fixture
def base_weights(caffe: Caffe, net: NetParameter, tmp_path: Path) -> Path:
    """A caffemodel of the net as it came, with its old heads, written by Caffe."""
    path = tmp_path / "base.caffemodel"
    prototxt = tmp_path / "base.prototxt"
    prototxt.write_text(to_text(with_inputs(net)))
    caffe.ask("save", prototxt=prototxt, caffemodel=path)
    return path


def with_inputs(net: NetParameter) -> NetParameter:
    """The TEST net with Input layers instead of its data layers, and without the layers that write files."""
    view = phase_view(reduce_rules(net), TEST)
    inputs = []
    layers = [LayerParameter.FromString(layer.SerializeToString()) for layer in view.layer]
    for layer in layers:
        if layer.type in DATA:
            source = LayerParameter(name=layer.name, type="Input", top=layer.top)
            for index in range(len(layer.top)):
                source.input_param.shape.add(dim=[4, 3, CROP, CROP] if index == 0 else [4])
            inputs.append(source)
    del view.layer[:]
    view.layer.extend(inputs)
    view.layer.extend(layer for layer in layers if layer.type not in DATA | {"HDF5Output"})
    return view
