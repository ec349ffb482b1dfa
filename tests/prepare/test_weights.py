"""The weights that a run begins with: one file, which Caffe 1.0 reads, or is made to."""

from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.fs import files
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.prepare.weights import find_weights


def caffemodel(*layers: str) -> bytes:
    """A caffemodel with a number for each of some layers."""
    net = NetParameter(name="x")
    for name in layers:
        net.layer.add(name=name, type="InnerProduct").blobs.add(data=[0]).shape.dim.append(1)
    return net.SerializeToString()


def test_several_weights_are_compared(tmp_path: Path) -> None:
    """One is enough where it has the layers of all; else what it lacks is named."""
    for name, layers in (("trunk", ["conv1", "fc"]), ("all", ["conv1", "fc", "fc8"]), ("head", ["fc8"])):
        (tmp_path / f"{name}.caffemodel").write_bytes(caffemodel(*layers))

    def refused(*names: str) -> str:
        location = str(tmp_path / ",".join(f"{name}.caffemodel" for name in names))
        with pytest.raises(BadNetError, match=r"^base.weights: names \d files. Caffe copies") as caught:
            find_weights(location, tmp_path)
        return str(caught.value)

    assert refused("trunk", "all").endswith(
        "give all.caffemodel, which has all layers of the others and would overwrite them"
    )
    assert refused("trunk", "all", "head").endswith("head.caffemodel lacks conv1, fc")
    assert refused("trunk", "gone").endswith("ftjob takes one file: give the one that counts")


def test_a_comma_may_stand_in_a_name(tmp_path: Path) -> None:
    """A file that is there is one file."""
    path = tmp_path / "a.caffemodel,b.caffemodel"
    path.write_bytes(caffemodel("fc"))

    found = find_weights(str(path), tmp_path)

    assert found is not None
    assert [layer.name for layer in found.layers] == ["fc"]


def test_a_folder_is_no_weights(tmp_path: Path) -> None:
    """It is there, so the message names it as a folder."""
    with pytest.raises(BadNetError, match=r"is a folder: give the \.caffemodel in it"):
        find_weights(str(tmp_path), tmp_path)


def test_weights_of_nvidia_are_rewritten_once(tmp_path: Path, cache: Path) -> None:
    """Into the cache, under the digest of the file itself, which stays as it is."""
    net = NetParameter(name="x")
    norm = net.layer.add(name="bn", type="BatchNorm")
    for size in (4, 4, 1, 4, 4):
        norm.blobs.add(data=[0.5] * size).shape.dim.append(size)
    path = tmp_path / "nv.caffemodel"
    path.write_bytes(net.SerializeToString())

    first, again = find_weights(str(path), tmp_path), find_weights(str(path), tmp_path)

    assert first is not None
    assert first == again
    assert first.path == cache / "weights" / f"{files.sha256(path)}.caffemodel"
    assert (first.digest, first.location) == (files.sha256(path), str(path))
    assert {layer.name: layer.shapes for layer in first.layers} == {
        "bn": ((4,), (4,), (1,)),
        "bn/scale": ((4,), (4,)),
    }
    assert "NVIDIA" in first.note
    assert path.read_bytes() == net.SerializeToString()
