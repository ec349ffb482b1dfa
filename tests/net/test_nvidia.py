"""Weights of NVIDIA's Caffe: real Caffe computes with the rewritten file what the fork's own code says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.forks.nvidia import caffe_form, is_nvidias
from ftjob.net.proto.caffe_pb2 import BlobProto, LayerParameter, NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.protowire import BYTES

CHANNELS = 3
EPS = 1e-5
NET = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 1 dim: 2 } } }
    layer { name: "bn" type: "BatchNorm" bottom: "data" top: "bn" batch_norm_param { scale_bias: true } }
"""
MEAN, VARIANCE, SCALE, BIAS = (
    np.array(values, np.float32) for values in ([1, 2, 3], [4, 9, 16], [2, 3, 5], [7, 8, 9])
)
RAW_TYPES = {"<f8": 0, "<f4": 1, "<f2": 2}
FORMS = ["data", "double_data", *RAW_TYPES]


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _blob(values: NDArray[np.float32], shape: Sequence[int], form: str) -> bytes:
    """A BlobProto as Caffe writes it, or with NVIDIA's raw_data_type (10) and raw_data (12)."""
    if form not in RAW_TYPES:
        blob = BlobProto(**{form: values})
        blob.shape.dim.extend(shape)
        return blob.SerializeToString()
    blob = BlobProto()
    blob.shape.dim.extend(shape)
    raw = b"\x50" + bytes([RAW_TYPES[form]]) + _field(12, values.astype(form).tobytes())
    return blob.SerializeToString() + raw


def _layer(name: str, kind: str, blobs: Sequence[bytes]) -> bytes:
    head = LayerParameter(name=name, type=kind, bottom=["data"], top=["bn"]).SerializeToString()
    return _field(NetParameter.LAYER_FIELD_NUMBER, head + b"".join(_field(7, blob) for blob in blobs))


def _model(path: Path, *layers: bytes) -> Path:
    path.write_bytes(NetParameter(name="nv").SerializeToString() + b"".join(layers))
    return path


def _norm(order: str, form: str, wide: bool) -> bytes:
    """NVIDIA's BatchNorm: `new` from 0.16 on, `old` before; 1 x C x 1 x 1 where it is wide."""
    blobs = {"m": MEAN, "v": VARIANCE, "s": SCALE, "b": BIAS, "0": np.zeros(1, np.float32)}
    shapes = dict.fromkeys("mvsb", (1, CHANNELS, 1, 1) if wide else (CHANNELS,)) | {"0": (1,)}
    return _layer("bn", "BatchNorm", [_blob(blobs[name], shapes[name], form) for name in order])


def _rewritten(path: Path) -> Path:
    layers = read_weights(path)
    assert is_nvidias(layers)
    out = path.with_suffix(".rewritten")
    out.write_bytes(b"".join(map(bytes, caffe_form(memoryview(path.read_bytes()), layers))))
    return out


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("order", "wide"), [("mv0sb", False), ("mv0sb", True), ("sbmv0", True)])
def test_caffe_computes_what_the_fork_does(
    caffe: Any, tmp_path: Path, order: str, wide: bool, form: str
) -> None:
    """(x - mean) / sqrt(variance + eps) * scale + bias, whatever the order, the axes and the precision."""
    weights = _rewritten(_model(tmp_path / "nv.caffemodel", _norm(order, form, wide)))
    values = np.arange(12, dtype=np.float32).reshape(2, CHANNELS, 1, 2)
    net = parse_net(NET, "net")
    net.force_backward = True
    (tmp_path / "net.prototxt").write_text(to_text(net))

    answer = caffe.ask(
        "compute",
        prototxt=tmp_path / "net.prototxt",
        caffemodel=weights,
        inputs={"data": values.ravel().tolist()},
    )

    mean, variance, scale, bias = (v.reshape(1, CHANNELS, 1, 1) for v in (MEAN, VARIANCE, SCALE, BIAS))
    wanted = (values - mean) / np.sqrt(variance + EPS) * scale + bias
    assert answer["output"] == pytest.approx(wanted.ravel().tolist(), rel=1e-5)


@pytest.mark.parametrize(
    ("third", "wide", "rewritten"),
    [(0.0, False, True), (1.0, True, True), (0.0, True, True), (9.0, False, False)],
)
def test_statistics_that_count_as_none_count(
    tmp_path: Path, third: float, wide: bool, rewritten: bool
) -> None:
    """0.16 wrote a 0 where Caffe 1.0 divides by the number; another number is Caffe's own and stays."""
    shape = (1, CHANNELS, 1, 1) if wide else (CHANNELS,)
    blobs = [_blob(MEAN, shape, "data"), _blob(VARIANCE, shape, "data")]
    blobs.append(_blob(np.array([third], np.float32), (1,), "data"))
    path = _model(tmp_path / "nv.caffemodel", _layer("bn", "BatchNorm", blobs))

    assert is_nvidias(read_weights(path)) is rewritten
    if rewritten:
        model = NetParameter.FromString(_rewritten(path).read_bytes())
        assert [list(blob.shape.dim) for blob in model.layer[0].blobs] == [[CHANNELS], [CHANNELS], [1]]
        assert list(model.layer[0].blobs[2].data) == [third or 1.0]
        assert list(model.layer[0].blobs[0].data) == MEAN.tolist()


def test_statistics_that_nobody_collected_stay_none(tmp_path: Path) -> None:
    """A BatchNorm that was never trained has zeros throughout, in Caffe 1.0 too."""
    zeros = [_blob(np.zeros(size, np.float32), (size,), "data") for size in (CHANNELS, CHANNELS, 1)]

    assert not is_nvidias(
        read_weights(_model(tmp_path / "bvlc.caffemodel", _layer("bn", "BatchNorm", zeros)))
    )


@given(
    numbers=st.lists(st.floats(width=16, allow_nan=False), min_size=1, max_size=40),
    form=st.sampled_from(FORMS),
    name=st.text(min_size=1, max_size=5),
)
@settings(max_examples=100, deadline=None)
def test_every_number_comes_through(
    numbers: list[float], form: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Of other layers too, in their order, with their names, types and shapes."""
    values = np.array(numbers, np.float32)
    path = tmp_path_factory.mktemp("nv") / "nv.caffemodel"
    shape = (1, len(numbers))
    layers = [_layer(name, "InnerProduct", [_blob(values, shape, form)]), _norm("mv0sb", "<f4", False)]
    _model(path, _layer("relu", "ReLU", []), *layers)

    model = NetParameter.FromString(_rewritten(path).read_bytes())

    assert [(layer.name, layer.type) for layer in model.layer] == [
        (name, "InnerProduct"),
        ("bn", "BatchNorm"),
        ("bn/scale", "Scale"),
    ]
    [blob] = model.layer[0].blobs
    assert list(blob.data) == numbers
    assert tuple(blob.shape.dim) == shape


def test_weights_of_caffe_itself_are_no_fork_s(base_weights: Path) -> None:
    """Nothing is rewritten that Caffe 1.0 reads."""
    assert not is_nvidias(read_weights(base_weights))
