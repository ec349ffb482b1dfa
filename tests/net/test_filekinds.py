"""What people give as weights or net that is neither, called what it is."""

import io
import pickle
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.net.caffemodel.filekinds import CAFFEMODEL, HEAD, NET, SOLVER, TEXT, file_kind
from ftjob.net.proto.caffe_pb2 import BlobProto, NetParameter, SolverState
from ftjob.net.prototxt import to_text
from ftjob.net.zoo import build
from tests.net.conftest import BIN


def _zip(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, b"x")
    return file.getvalue()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


ONNX = b"\x08\x07" + _field(2, b"pytorch") + _field(3, b"1.7") + _field(7, _field(1, b"x"))
SAVED_MODEL = b"\x08\x01" + _field(2, _field(1, _field(5, b"serve")))
GRAPH = _field(1, _field(1, b"input") + _field(2, b"Placeholder") + _field(5, b"\x0a\x05dtype"))
STATE = SolverState(iter=3, learned_net="a_iter_3.caffemodel").SerializeToString()
MEAN = BlobProto(num=1, channels=3, height=2, width=2, data=range(12)).SerializeToString()
MEAN_OF_TODAY = BlobProto(data=range(2000))
MEAN_OF_TODAY.shape.dim.extend([1, 3])


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (_zip("archive/data.pkl"), "a file of PyTorch"),
        (_zip("arr_0.npy"), "NumPy's .npz"),
        (_zip("metadata.json"), "a file of Keras"),
        (_zip("model.caffemodel"), "a zip archive"),
        (pickle.dumps({"conv1": 1}, protocol=2), "a Python pickle, as old PyTorch files are"),
        (pickle.dumps({"conv1": 1}, protocol=4), "a Python pickle, as old PyTorch files are"),
        (_array(), "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500) + b"model_weights", "an HDF5 file of Keras"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"conv1":{"dtype":"F32"}}', "a safetensors file"),
        (b"\x1c\0\0\0TFL3" + bytes(30), "a file of TensorFlow Lite"),
        (bytes(257) + b"ustar\0" + bytes(100), "a tar archive"),
        (ONNX, "an ONNX model"),
        (SAVED_MODEL, "a SavedModel of TensorFlow"),
        (GRAPH, "a frozen graph of TensorFlow (.pb)"),
        (STATE, "a .solverstate, which holds no weights"),
        (MEAN, "a mean image (.binaryproto)"),
        (MEAN_OF_TODAY.SerializeToString()[:HEAD], "a mean image (.binaryproto)"),
        (b"<?xml version='1.0'?>\n<Error><Code>NoSuchKey", "a web page, as a failed download leaves it"),
        (b'<?xml version="1.0"?>\n<net name="alexnet">', "OpenVINO's XML"),
        (b'{"class_name": "Sequential"}', "a JSON file, as Keras and MXNet write them"),
        (b"[net]\nbatch=64\n", "a .cfg of Darknet"),
        (b"7767517\n75 83\n", "a .param of ncnn"),
        (b'node {\n  name: "x"\n  op: "Const"\n}\n', "a graph of TensorFlow"),
        (b"---\nname: BVLC\ncaffemodel: a\ncaffemodel_url: b\n---\n", "a readme of Caffe's model zoo"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of git LFS, not the file itself"),
        (b"hello", TEXT.what),
        (b'name: "x"\nbase_lr: 0.1\nnet: "a.prototxt"\n', SOLVER.what),
        ('# Größe\nname: "x"\ninput: "data"\n'.encode(), NET.what),
    ],
)
def test_files_are_called_what_they_are(content: bytes, what: str) -> None:
    """By their first bytes, whatever their names are; each says what to do instead."""
    kind = file_kind(content)

    assert kind is not None
    assert kind.what == what
    assert kind.as_weights
    assert kind.as_net


@pytest.mark.parametrize("old", [False, True])
def test_caffemodels_are_let_pass(old: bool) -> None:
    """Whichever form their layers have, and wherever the first bytes end."""
    net = NetParameter(name="x")
    layer = net.layers.add(name="fc") if old else net.layer.add(name="fc", type="InnerProduct")
    layer.blobs.add(data=range(5000))

    assert file_kind(net.SerializeToString()[:HEAD]) == CAFFEMODEL
    assert file_kind(to_text(build("lenet")).encode()[:HEAD]) == NET


@pytest.mark.caffe
@pytest.mark.parametrize("kind", ["HDF5", "BINARYPROTO"])
def test_what_caffe_itself_writes_is_known(tmp_path: Path, kind: str) -> None:
    """Snapshots in both of its formats: the weights and the state of the solver."""
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "d" type: "DummyData" top: "x" top: "y" '
        "dummy_data_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }"
        'layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" '
        'inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "y" }'
    )
    (tmp_path / "solver.prototxt").write_text(
        f'train_net: "net.prototxt" base_lr: 1 lr_policy: "fixed" max_iter: 1 solver_mode: CPU '
        f'snapshot_prefix: "s" snapshot_format: {kind}'
    )
    subprocess.run(
        [BIN / "caffe", "train", "-solver", "solver.prototxt"], cwd=tmp_path, check=True, capture_output=True
    )
    suffix = ".h5" if kind == "HDF5" else ""
    weights, state = (tmp_path / f"s_iter_1.{name}{suffix}" for name in ("caffemodel", "solverstate"))

    found = file_kind(weights.read_bytes()[:HEAD])
    assert found is not None
    assert found.what == ("an HDF5 file" if suffix else CAFFEMODEL.what)
    found = file_kind(state.read_bytes()[:HEAD])
    assert found is not None
    assert ".solverstate" in found.what


SAMPLES: list[Any] = [ONNX, SAVED_MODEL, GRAPH, STATE, MEAN, _zip("a"), _array(), b"layer {", b"\xa2\x06\x02"]


@given(st.one_of(st.binary(max_size=200), st.tuples(st.sampled_from(SAMPLES), st.binary(max_size=20))))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_something_or_unknown(content: bytes | tuple[bytes, bytes]) -> None:
    """Nothing is raised, whatever the bytes, and what is refused says what to do."""
    head = content if isinstance(content, bytes) else b"".join(content)

    kind = file_kind(head)

    assert kind is None or kind == CAFFEMODEL or kind.as_weights
