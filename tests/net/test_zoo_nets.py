"""The laws of tests/net over the built-in nets."""

import dataclasses
from pathlib import Path
from typing import Any

import lmdb
import pytest

from ftjob.net import zoo
from ftjob.net.caffemodel.transfer import plan_transfer
from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.proto.caffe_pb2 import Datum, NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, operate
from jobspec.spec import FreezeUpTo, Surgery

SIDE = 256


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> DataLayers:
    """An LMDB with one image of 256 x 256, in grey for LeNet and in colour, for both phases."""
    folder = tmp_path_factory.mktemp("large")
    for channels in (1, 3):
        with lmdb.open(str(folder / str(channels)), map_size=1 << 22) as env, env.begin(write=True) as txn:
            datum = Datum(channels=channels, height=SIDE, width=SIDE, data=bytes(channels * SIDE * SIDE))
            txn.put(b"0", datum.SerializeToString())
    return DataLayers(
        train=str(folder),
        val=str(folder),
        channels=3,
        height=SIDE,
        width=SIDE,
        batch_size=1,
        test_batch_size=1,
    )


def _data(large: DataLayers, name: str) -> DataLayers:
    known = zoo.get(name)
    path = f"{large.train}/{known.channels}"
    return dataclasses.replace(large, train=path, val=path, channels=known.channels, crop=known.crop)


def _slim(net: NetParameter) -> NetParameter:
    """The same layers with fewer outputs where VGG16 has most of its 138 million weights."""
    for layer in net.layer:
        if layer.name in ("fc6", "fc7"):
            layer.inner_product_param.num_output = 32
    return net


@pytest.mark.parametrize("name", zoo.NAMES)
def test_surgery_on_a_built_in_net(caffe: Any, large: DataLayers, name: str, tmp_path: Path) -> None:
    """Caffe loads the train_val in both phases, and copies exactly what the plan calls copied or frozen."""
    data = _data(large, name)
    base = _slim(zoo.build(name))
    first = next(layer.name for layer in base.layer if layer.type == "Convolution")
    done = operate(base, Surgery(freeze=FreezeUpTo(up_to=first)), 7, data, "new")
    as_base = operate(base, Surgery(), 1000, data, "unused")
    for new, old in as_base.renamed.items():
        for layer in as_base.deploy.layer:
            layer.name = old if layer.name == new else layer.name
    paths = {kind: tmp_path / f"{kind}.prototxt" for kind in ("base", "train_val", "deploy")}
    for kind, net in (("base", as_base.deploy), ("train_val", done.train_val), ("deploy", done.deploy)):
        paths[kind].write_text(to_text(net))
    weights = tmp_path / "base.caffemodel"
    caffe.ask("save", prototxt=paths["base"], caffemodel=weights)

    caffes = caffe.ask("copied", prototxt=paths["train_val"], caffemodel=weights)
    deploy = caffe.ask("load", prototxt=paths["deploy"], phase="TEST")
    caffe.ask("load", prototxt=paths["train_val"], phase="TEST")

    transfer = plan_transfer(done.train_val, read_weights(weights), done.renamed, done.frozen, done.inputs)
    assert {row.layer for row in transfer if row.kind in ("copied", "frozen")} == set(caffes["copied"])
    assert {row.layer for row in transfer if row.kind in ("new", "unmatched")} == set(caffes["untouched"])
    assert deploy["blobs"]["prob"][:2] == [1, 7]


@pytest.mark.parametrize("name", zoo.NAMES)
def test_surgery_twice_is_surgery_once(large: DataLayers, name: str) -> None:
    """On built-in nets too, and the text of the result parses to the same net."""
    data = _data(large, name)
    once = operate(zoo.build(name), Surgery(), 7, data, "new")

    twice = operate(parse_net(to_text(once.train_val), name), Surgery(), 7, data, "new")

    assert twice.train_val == once.train_val
    assert twice.deploy == once.deploy
