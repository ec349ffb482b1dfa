"""Reading the net that a spec names: a file that is something else is named as that."""

from pathlib import Path

import pytest

from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter
from ftjob.net.prototxt import to_text
from ftjob.prepare.prepare import Context, absolute, find_dataset, read_net
from jobspec.spec import Data, JobSpec

CAFFEMODEL = NetParameter(name="x", layer=[LayerParameter(name="fc")]).SerializeToString()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            CAFFEMODEL,
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


@pytest.mark.parametrize("letter", ["\n", "\r", "\t", "\x85"])
def test_a_folder_that_no_spec_could_name_is_refused(letter: str, tmp_path: Path) -> None:
    """The plan's own spec has whole paths, and what a worker reads must be a spec still."""
    folder = tmp_path / f"a{letter}b"
    spec = JobSpec.model_validate(
        {
            "name": "odd",
            "base": {"net": "lenet"},
            "data": {"train": "train", "val": "val"},
            "output": "s3://bucket/runs",
        }
    )

    with pytest.raises(BadSpecError, match=r"a folder in this path .* rename the folder"):
        absolute(spec, Context(folder))
    assert absolute(spec, Context(tmp_path)).data.train == str(tmp_path / "train")


@pytest.mark.parametrize("val", [{"val_split": 0.25}, {"val": "elsewhere"}])
def test_images_that_are_not_there_are_reported_so(val: dict[str, object], tmp_path: Path) -> None:
    """With their field: a slip in a path is no wrong kind of folder."""
    data = Data.model_validate({"train": str(tmp_path / "facse"), **val})

    with pytest.raises(BadDataError, match=rf"^data\.train: {tmp_path}/facse: is not there: fix the path"):
        find_dataset(data, 3, Context())
