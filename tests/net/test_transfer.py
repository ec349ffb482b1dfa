"""What Caffe copies is what the plan says."""

from math import prod
from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.caffemodel.transfer import LayerTransfer, check_transfer, plan_transfer, same_shape
from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights, read_weights
from ftjob.net.proto.caffe_pb2 import BlobProto, NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, operate
from jobspec.spec import FreezeUpTo, Surgery

NETS = Path(__file__).parent / "nets"


def _plan(
    net: NetParameter, weights: Any, data: DataLayers, **surgery: Any
) -> tuple[NetParameter, list[LayerTransfer]]:
    done = operate(net, Surgery(**surgery), 7, data, "new")
    return done.train_val, plan_transfer(done.train_val, weights, done.renamed, done.frozen, done.inputs)


def _kinds(transfer: list[LayerTransfer], *kinds: str) -> set[str]:
    return {row.layer for row in transfer if row.kind in kinds}


def test_copied_is_what_caffe_copies(
    caffe: Any, net: NetParameter, data: DataLayers, base_weights: Path, tmp_path: Path
) -> None:
    """The layers Caffe overwrites are those called copied or frozen; those it leaves are the new ones."""
    train_val, transfer = _plan(net, read_weights(base_weights), data, freeze=FreezeUpTo(up_to="conv1"))
    prototxt = tmp_path / "train_val.prototxt"
    prototxt.write_text(to_text(train_val))

    caffes = caffe.ask("copied", prototxt=prototxt, caffemodel=base_weights)

    check_transfer(transfer)
    assert _kinds(transfer, "copied", "frozen") == set(caffes["copied"])
    assert _kinds(transfer, "new") == set(caffes["untouched"])
    assert "conv1" in _kinds(transfer, "frozen")


def _weights(net: str, data: DataLayers) -> tuple[NetParameter, list[LayerWeights]]:
    base = parse_net((NETS / f"{net}.prototxt").read_text(), net)
    _, transfer = _plan(base, (), data)
    layers = [_layer(row.layer.removesuffix("_new"), *row.shapes) for row in transfer]
    return base, layers


def _layer(name: str, *shapes: tuple[int, ...]) -> LayerWeights:
    return LayerWeights(name, "", tuple(BlobWeights(shape, False, 0, 0, False) for shape in shapes))


def test_a_misspelt_layer_is_found_out(data: DataLayers) -> None:
    """A layer that the weights know under another name is an error that says which name, unless relearned."""
    net, weights = _weights("lenet", data)
    weights[0] = _layer("conv_1", *weights[0].shapes)

    _, transfer = _plan(net, weights, data)

    with pytest.raises(
        BadNetError, match=r"^layer conv1 is not in the weights \(it looks like conv_1 of the weights\)"
    ):
        check_transfer(transfer)
    check_transfer(_plan(net, weights, data, relearn=["conv1"])[1])


def test_another_shape_is_reported_with_both(data: DataLayers) -> None:
    """A layer of another shape is an error with both shapes and the remedy."""
    net, weights = _weights("lenet", data)
    weights[1] = _layer("ip1", (6, 99), (6,))

    with pytest.raises(
        BadNetError, match=r"^layer ip1 is 6x36 in the net, but 6x99 in the weights: name it in surgery.rel"
    ):
        check_transfer(_plan(net, weights, data)[1])


def test_another_number_of_params_is_an_error(data: DataLayers) -> None:
    """A layer saved without its bias is an error too, as it is in Caffe."""
    net, weights = _weights("lenet", data)
    weights[1] = _layer("ip1", (6, 36))

    with pytest.raises(BadNetError, match="ip1 has 2 params, but 1 in the weights"):
        check_transfer(_plan(net, weights, data)[1])


def test_weights_of_another_net_are_reported_as_such(data: DataLayers) -> None:
    """Where nothing at all matches, one sentence says so instead of one for each layer."""
    net, _ = _weights("lenet", data)

    with pytest.raises(BadNetError, match=r"^no layer of the net is in the weights"):
        check_transfer(_plan(net, [_layer("other", (1,))], data)[1])


def test_what_is_not_used_is_listed(data: DataLayers) -> None:
    """Old heads and layers the net does not have are listed as unused, and are no error."""
    net, weights = _weights("lenet", data)

    _, transfer = _plan(net, [*weights, _layer("fc9", (3, 3)), _layer("relu")], data)

    check_transfer(transfer)
    assert {row.layer: row.remark for row in transfer if row.kind == "unused"} == {
        "ip2": "replaced by ip2_new",
        "fc9": "not in the net",
    }


@pytest.mark.parametrize(
    ("shape", "stored", "legacy", "same"),
    [
        ((3, 2), (3, 2), False, True),
        ((3, 2), (1, 3, 2), False, False),
        ((3, 2), (1, 1, 3, 2), True, True),
        ((3,), (1, 1, 1, 3), True, True),
        ((3, 2), (3, 2, 1, 1), True, False),
        ((1, 1, 1, 3, 2), (1, 1, 3, 2), True, False),
        ((), (1, 1, 1, 1), True, True),
    ],
)
def test_shapes_of_old_match_with_ones_in_front(
    shape: tuple[int, ...], stored: tuple[int, ...], legacy: bool, same: bool
) -> None:
    """num, channels, height and width match the last four axes (blob.cpp, ShapeEquals)."""
    assert same_shape(shape, BlobWeights(stored, legacy, 0, 0, False)) is same


def test_legacy_blobs_are_copied_by_caffe(
    caffe: Any, net: NetParameter, data: DataLayers, base_weights: Path, tmp_path: Path
) -> None:
    """A caffemodel with V1 layers and four-dimensional blobs transfers as Caffe copies it."""
    old = tmp_path / "old.caffemodel"
    old.write_bytes(_as_v1(NetParameter.FromString(base_weights.read_bytes())).SerializeToString())
    train_val, transfer = _plan(net, read_weights(old), data)
    prototxt = tmp_path / "train_val.prototxt"
    prototxt.write_text(to_text(train_val))

    caffes = caffe.ask("copied", prototxt=prototxt, caffemodel=old)

    assert _kinds(transfer, "copied") == set(caffes["copied"])
    assert _kinds(transfer, "new") == set(caffes["untouched"])


def _as_v1(model: NetParameter) -> NetParameter:
    """The same weights as Caffe wrote them in 2014."""
    old = NetParameter(name=model.name)
    for layer in model.layer:
        new = old.layers.add(name=layer.name, bottom=layer.bottom, top=layer.top)
        for blob in layer.blobs:
            dims = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            new.blobs.append(
                BlobProto(num=dims[0], channels=dims[1], height=dims[2], width=dims[3], data=blob.data)
            )
    return old


FC_NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 12 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
"""
FITS, OTHER, OF_SOFTMAX = ("fc", (3, 12), (3,)), ("fc", (4, 12), (4,)), ("prob", (9, 4), (9,))


def _saved(path: Path, *layers: tuple[Any, ...]) -> Path:
    """A caffemodel of layers, each a name and the shapes of its blobs."""
    net = NetParameter()
    for name, *shapes in layers:
        layer = net.layer.add(name=name, type="InnerProduct")
        for shape in shapes:
            layer.blobs.add(data=[1.0] * prod(shape)).shape.dim.extend(shape)
    path.write_bytes(net.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ((FITS, FITS), ""),
        ((OTHER, FITS), "layer fc is 3x12 in the net, but 4x12 in the weights"),
        ((FITS, OTHER), "layer fc is 3x12 in the net, but 4x12 in the weights"),
        ((FITS, OF_SOFTMAX), "layer prob .Softmax. of the net has no params, and the weights have 2"),
    ],
)
def test_caffe_copies_every_layer_of_a_name(
    caffe: Any, layers: tuple[Any, ...], why: str, tmp_path: Path
) -> None:
    """One after the other into the same layer, which may have no params: it ends where one does not fit."""
    weights = _saved(tmp_path / "w.caffemodel", *layers)
    (tmp_path / "net.prototxt").write_text(FC_NET)

    def plan() -> None:
        check_transfer(plan_transfer(parse_net(FC_NET, "net"), read_weights(weights), {}, (), {}))

    if not why:
        plan()
        assert caffe.ask("copied", prototxt=tmp_path / "net.prototxt", caffemodel=weights)["copied"] == ["fc"]
        return
    with pytest.raises(BadNetError, match=why):
        plan()
    with pytest.raises(AssertionError):
        caffe.ask("copied", prototxt=tmp_path / "net.prototxt", caffemodel=weights)


SHARED_NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 12 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 3 } }
layer { name: "b" type: "InnerProduct" bottom: "data" top: "b" param { name: "w" } param { name: "b" }
        inner_product_param { num_output: 3 } }
layer { name: "half" type: "InnerProduct" bottom: "data" top: "half" param { name: "w" }
        inner_product_param { num_output: 3 } }
"""


@pytest.mark.parametrize("saved", ["a", "b"])
def test_a_param_that_layers_share_needs_one_of_them(caffe: Any, saved: str, tmp_path: Path) -> None:
    """Caffe copies into the blob of both, as the weights of one branch are given to two. A layer with a param
    of its own beside it is another matter."""
    net = SHARED_NET[: SHARED_NET.index('layer { name: "half"')]
    weights = _saved(tmp_path / "w.caffemodel", (saved, (3, 12), (3,)))
    (tmp_path / "net.prototxt").write_text(net)

    transfer = plan_transfer(parse_net(net, "net"), read_weights(weights), {}, (), {})

    check_transfer(transfer)
    caffes = caffe.ask("copied", prototxt=tmp_path / "net.prototxt", caffemodel=weights)
    assert _kinds(transfer, "copied") == set(caffes["copied"]) == {"a", "b"}
    transfer = plan_transfer(parse_net(SHARED_NET, "net"), read_weights(weights), {}, (), {})
    assert _kinds(transfer, "unmatched") == {"half"}
