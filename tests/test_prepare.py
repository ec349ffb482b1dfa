"""Reading what a spec names: files that are something else, or several, are said to be that."""

from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import to_text
from ftjob.prepare import Context, find_weights, read_net
from jobspec import JobSpec


def caffemodel(*layers: str) -> bytes:
    """A caffemodel with a number for each of some layers."""
    net = NetParameter(name="x")
    for name in layers:
        net.layer.add(name=name, type="InnerProduct").blobs.add(data=[0]).shape.dim.append(1)
    return net.SerializeToString()


def spec(location: str) -> JobSpec:
    """A spec with these weights."""
    return JobSpec.model_validate(
        {
            "name": "a",
            "base": {"net": "lenet", "weights": location},
            "data": {"train": "t", "val": "v"},
            "output": "runs",
        }
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            caffemodel("fc"),
            "is a caffemodel, the weights; give it as base.weights, and as base.net the prototxt",
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file; give the prototxt of the net"),
        (b"<!DOCTYPE html>\n<html>", "is a web page, as a failed download leaves it; fetch the file again"),
        (b'{"layers": []}', "is a JSON file"),
    ],
)
def test_a_net_that_is_something_else_is_called_that(content: bytes, sentence: str, tmp_path: Path) -> None:
    """With what to give instead."""
    path = tmp_path / "net.prototxt"
    path.write_bytes(content)

    with pytest.raises(BadNetError, match=f"^base.net: {path}: {sentence}"):
        read_net(str(path))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(end: str, tmp_path: Path) -> None:
    """And comments end with them."""
    path = tmp_path / "net.prototxt"
    text = "# lenet\n" + to_text(zoo.build("lenet"))
    path.write_bytes(text.replace("\n", end).encode())

    assert read_net(str(path)).net == zoo.build("lenet")


def test_several_weights_are_told_apart(tmp_path: Path) -> None:
    """One is enough where it has the layers of all; else what it lacks is named."""
    for name, layers in (("trunk", ["conv1", "fc"]), ("all", ["conv1", "fc", "fc8"]), ("head", ["fc8"])):
        (tmp_path / f"{name}.caffemodel").write_bytes(caffemodel(*layers))

    def refused(*names: str) -> str:
        location = str(tmp_path / ",".join(f"{name}.caffemodel" for name in names))
        with pytest.raises(BadNetError, match=r"^base.weights: names \d files. Caffe copies") as caught:
            find_weights(spec(location), Context(tmp_path))
        return str(caught.value)

    assert refused("trunk", "all").endswith(
        "give all.caffemodel, which has all layers of the others, so that nothing of them would be left"
    )
    assert refused("trunk", "all", "head").endswith("head.caffemodel lacks conv1, fc")
    assert refused("trunk", "gone").endswith("ftjob takes one file: give the one that counts")


def test_a_comma_may_stand_in_a_name(tmp_path: Path) -> None:
    """A file that is there is one file."""
    path = tmp_path / "a.caffemodel,b.caffemodel"
    path.write_bytes(caffemodel("fc"))

    found = find_weights(spec(str(path)), Context(tmp_path))

    assert found is not None
    assert [layer.name for layer in found.layers] == ["fc"]


def test_a_folder_is_no_weights(tmp_path: Path) -> None:
    """It is there, so that is what is said of it."""
    with pytest.raises(BadNetError, match=r"is a folder: give the \.caffemodel in it"):
        find_weights(spec(str(tmp_path)), Context(tmp_path))
