"""What is no list, and no note of a build, is refused in a sentence."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.journal import read_checkpoint, read_lines
from ftjob.dataset.manifest import read_manifest
from ftjob.dataset.source.source import list_images
from ftjob.errors import BadDataError

SMALL = BuildOptions(8, 8)


@pytest.mark.parametrize(
    ("name", "message"),
    [("loop", "Too many levels"), ("pipe", "is a pipe"), ("zero", "is a device"), ("sparse", "at most")],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, message: str) -> None:
    place = tmp_path / name
    if name == "loop":
        place.symlink_to(place)
    elif name == "pipe":
        os.mkfifo(place)
    elif name == "zero":
        place.symlink_to("/dev/zero")
    else:
        place.touch()
        os.truncate(place, 2**34)

    with pytest.raises(BadDataError, match=message):
        build(place, tmp_path / "out", SMALL)


def test_a_list_may_come_through_a_shells_pipe(photos: Path) -> None:
    read, write = os.pipe()
    os.write(write, f"{photos}/cat/000.jpg 0\n".encode())
    os.close(write)
    try:
        assert list_images(Path(f"/dev/fd/{read}")).labels == [0]
    finally:
        os.close(read)


def test_a_label_of_any_length_is_refused_briefly(photos: Path) -> None:
    place = photos / "list.txt"
    place.write_text(f"cat/000.jpg {'9' * 100_000}\n")

    with pytest.raises(
        BadDataError, match=r"line 1: label '9+\.\.\.' of cat/000.jpg is not an integer"
    ) as found:
        list_images(place)

    assert len(str(found.value)) < 1000


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"speed": 1}},
        {"options": {"encoding": "gif"}},
        {"options": 3},
        {"labels": [1]},
        {"mean": ["x"]},
        {"splits": []},
        {"splits": {"train": {"records": "x", "bytes": 1, "histogram": [], "digest": ""}}},
        {"notes": [1]},
        {"sources": {"train": 1}},
    ],
)
def test_a_manifest_that_no_build_wrote_is_refused_and_built_over(
    photos: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    manifest = build(photos, tmp_path / "out", SMALL)
    path = tmp_path / "out" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(BadDataError, match="is not a manifest of ftjob"):
        read_manifest(path)

    assert build(photos, tmp_path / "out", SMALL) == manifest


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY", b"x" * 100])
def test_a_checkpoint_that_no_build_wrote_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(data)

    with pytest.raises(BadDataError, match="was not written by a build"):
        read_checkpoint(path)


def test_a_checkpoints_sums_are_float64(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    np.savez(path, done=1, journal_bytes=1, sums=np.array(["x"]))

    with pytest.raises(BadDataError, match="was not written by a build"):
        read_checkpoint(path)


@pytest.mark.parametrize("text", ['{"a": "' + "x" * 2**21 + '"}', "[1]", "{}", "[" * 100_000])
def test_a_line_that_no_build_wrote_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.jsonl"
    path.write_text(f"{text}\n")

    with pytest.raises(BadDataError, match="line 1 was not written by a build"):
        list(read_lines(path))
