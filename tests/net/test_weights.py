"""What a caffemodel holds, without loading it."""

import math
import os
import resource
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import BadNetError
from ftjob.net.caffemodel.finite import AT_ONCE, INFINITE, broken_layers
from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.proto.caffe_pb2 import NetParameter

EDGES = (
    *(0x7F7FFFFF << shift for shift in (0, 32)),
    *(0xFF800000 << shift for shift in (0, 32)),
    *struct.unpack("<3Q", struct.pack("<3d", INFINITE, -math.nextafter(INFINITE, 0), 2.0**113)),
)
"""Bits of numbers in float32: the largest, and -inf. In float64: the least that is infinite as float32, the
number before it, and 2^113, the least whose exponent is looked at."""


def _model(path: Path) -> NetParameter:
    return NetParameter.FromString(path.read_bytes())


def test_layers_are_those_protobuf_reads(base_weights: Path) -> None:
    """Names, types and shapes are those that loading the whole message gives, in the same order."""
    read = [(layer.name, layer.type, layer.shapes) for layer in read_weights(base_weights)]

    assert read == [
        (layer.name, layer.type, tuple(tuple(blob.shape.dim) for blob in layer.blobs))
        for layer in _model(base_weights).layer
    ]


def test_numbers_stand_at_their_offsets(base_weights: Path) -> None:
    """The bytes at a blob's offset are its numbers."""
    content = base_weights.read_bytes()
    stored = {layer.name: layer for layer in _model(base_weights).layer}
    for layer in read_weights(base_weights):
        for blob, proto in zip(layer.blobs, stored[layer.name].blobs, strict=True):
            numbers = np.frombuffer(content, "<f4", blob.count, blob.offset)
            assert numbers.tolist() == list(proto.data)


def test_numbers_that_are_none_are_found_wherever_they_stand(tmp_path: Path) -> None:
    """In float64 beyond what float32 holds, too, in loose pieces, and behind the first part that is read."""
    net = NetParameter()
    for name, numbers in (("whole", [1.0]), ("late", [0.0] * (AT_ONCE + 1)), ("sum", [-math.inf])):
        net.layer.add(name=name).blobs.add(data=numbers).shape.dim.append(len(numbers))
    net.layer[1].blobs[0].data[AT_ONCE] = math.nan
    for name, number in (("large", 1e38), ("larger", 1e39)):
        net.layer.add(name=name).blobs.add(double_data=[0, number]).shape.dim.append(2)
    path = tmp_path / "some.caffemodel"
    path.write_bytes(net.SerializeToString() + _loose("loose", 1, math.nan))
    layers = read_weights(path)

    assert broken_layers(path, layers) == ["late", "sum", "larger", "loose"]


@given(st.lists(st.integers(0, 2**64 - 1) | st.sampled_from(EDGES), min_size=1, max_size=4), st.booleans())
def test_numbers_of_any_bits_are_finite_as_numpy_has_it(
    tmp_path_factory: pytest.TempPathFactory, words: list[int], double: bool
) -> None:
    """Once they are float32."""
    kind = np.float64 if double else np.float32
    numbers = np.array(words, np.uint64).view(kind)
    net = NetParameter()
    blob = net.layer.add(name="some").blobs.add(**{"double_data" if double else "data": numbers.tolist()})
    blob.shape.dim.append(numbers.size)
    path = tmp_path_factory.mktemp("bits") / "some.caffemodel"
    path.write_bytes(net.SerializeToString())
    with np.errstate(over="ignore"):
        finite = bool(np.isfinite(numbers.astype(np.float32)).all())

    assert broken_layers(path, read_weights(path)) == ([] if finite else ["some"])


def _old(form: str) -> bytes:
    """A layer in one of the older forms."""
    net = NetParameter()
    layer = net.layers.add()
    blobs = layer.layer.blobs if form == "v0" else layer.blobs
    blobs.add(num=1, channels=1, height=2, width=3, data=range(6))
    if form == "v0":
        layer.layer.name, layer.layer.type = "fc", "innerproduct"
    else:
        layer.name, layer.type = "fc", layer.INNER_PRODUCT
    return net.SerializeToString()


@pytest.mark.parametrize("form", ["v0", "v1"])
def test_old_forms_are_read(form: str, tmp_path: Path) -> None:
    """V0 and V1 caffemodels give names and the four dimensions of old."""
    path = tmp_path / "old.caffemodel"
    path.write_bytes(_old(form))

    (layer,) = read_weights(path)

    assert (layer.name, layer.shapes, layer.blobs[0].legacy) == ("fc", ((1, 1, 2, 3),), True)


def _loose(name: str, *numbers: float) -> bytes:
    """A layer whose blob has its numbers one by one, not packed."""
    loose = b"".join(b"\x2d" + struct.pack("<f", number) for number in numbers)
    blob = b"\x3a\x02\x08" + bytes([len(numbers)]) + loose
    layer = b"\x0a" + bytes([len(name)]) + name.encode() + b"\x3a" + bytes([len(blob)]) + blob
    return b"\xa2\x06" + bytes([len(layer)]) + layer


def test_doubles_and_loose_numbers_are_counted(tmp_path: Path) -> None:
    """float64 blobs, and numbers that a writer did not pack, count as what they are."""
    net = NetParameter()
    blob = net.layer.add(name="a").blobs.add(double_data=[1, 2])
    blob.shape.dim.append(2)
    path = tmp_path / "odd.caffemodel"
    path.write_bytes(net.SerializeToString() + _loose("b", 1, 2, 3))

    first, second = read_weights(path)

    assert (first.blobs[0].double, first.blobs[0].count) == (True, 2)
    assert (second.blobs[0].offset, second.blobs[0].count) == (-1, 3)


def _blob(count: int, size: int) -> bytes:
    """A caffemodel with so many numbers in a blob of that size."""
    net = NetParameter()
    blob = net.layer.add(name="fc").blobs.add(data=range(count))
    blob.shape.dim.append(size)
    return net.SerializeToString()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><head><title>404", "is a web page"),
        (b"PK\x03\x04" + bytes(50), "is a zip archive; unpack it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(50), "is an HDF5 file"),
        (b"\x80\x02}q\x00", "is a Python pickle"),
        (b"\x1f\x8b\x08\x00", "is gzip-compressed"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of git LFS"),
        (b'name: "VGG"\nlayer {\n', "is a prototxt, the net itself; give it as base.net"),
        (b"weights", "is text, not a binary .caffemodel; give a .caffemodel"),
        (
            b"\x08\x64\x12\x04a.ca",
            "is a .solverstate, which holds no weights; give the .caffemodel beside it",
        ),
        (b"\x0a\x03net", "holds no weights"),
        (b"\xff" * 64, "is not a .caffemodel"),
        (bytes(64), "is not a .caffemodel"),
        (
            _blob(5, 6),
            'begins as a .caffemodel and is damaged .a blob of layer "fc" has 5 numbers, not those of its',
        ),
        (
            _blob(2000, 2000) + bytes(20),
            r"begins as a .caffemodel and is damaged .a field at byte \d+ .*; fetch or convert it again",
        ),
    ],
)
def test_something_else_is_named_as_what_it_is(content: bytes, message: str, tmp_path: Path) -> None:
    """A file that is no caffemodel is refused, with its path and what it is instead."""
    path = tmp_path / "weights.caffemodel"
    path.write_bytes(content)

    with pytest.raises(BadNetError, match=f"^{path}: {message}"):
        read_weights(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that is not there, or a folder, is a sentence too."""
    for path in (tmp_path / "nothing.caffemodel", tmp_path):
        with pytest.raises(BadNetError, match=f"^{path}: (cannot be read|is a folder)"):
            read_weights(path)


def test_a_cut_off_file_is_never_read_as_whole(base_weights: Path, tmp_path: Path) -> None:
    """Wherever it is cut, some of its layers are missing or nothing is read."""
    content = base_weights.read_bytes()
    path = tmp_path / "cut.caffemodel"
    whole = len(read_weights(base_weights))
    for length in range(1, len(content), max(1, len(content) // 50)):
        path.write_bytes(content[:length])
        assert _layers_or_none(path) < whole


def _layers_or_none(path: Path) -> int:
    try:
        return len(read_weights(path))
    except BadNetError:
        return 0


def test_a_large_file_is_not_loaded(tmp_path: Path) -> None:
    """Of a caffemodel of VGG16's size a few pages are read: well under 100 MB."""
    path = tmp_path / "vgg.caffemodel"
    _write_large(path, layers=16, floats_each=8_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    layers = read_weights(path)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert [layer.shapes for layer in layers] == [((8_000_000,),)] * 16


def _write_large(path: Path, layers: int, floats_each: int) -> None:
    """A sparse file: real lengths, zeros that take no disk."""
    with path.open("wb") as file:
        for index in range(layers):
            shape = _field(7, _field(1, _varint(floats_each)))
            data = b"\x2a" + _varint(4 * floats_each)
            blob_length = len(shape) + len(data) + 4 * floats_each
            name = _field(1, b"layer%02d" % index)
            head = name + b"\x3a" + _varint(blob_length) + shape + data
            file.write(b"\xa2\x06" + _varint(len(head) + 4 * floats_each) + head)
            file.seek(4 * floats_each, 1)
        file.truncate()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_unknown_fields_survive(base_weights: Path, tmp_path: Path) -> None:
    """What a fork wrote into a layer is neither read nor in the way."""
    path = tmp_path / "fork.caffemodel"
    path.write_bytes(base_weights.read_bytes() + b"\xa2\x06\x0b" + b"\x0a\x01z" + b"\xfa\xff\x7f\x04fork")

    layers: Any = read_weights(path)

    assert layers[-1].name == "z"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.caffemodel")

    with pytest.raises(BadNetError, match="is a pipe, not a file"):
        read_weights(tmp_path / "pipe.caffemodel")
