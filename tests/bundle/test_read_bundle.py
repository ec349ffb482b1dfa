"""Whatever a bundle holds: a question that an engine may be asked, or one sentence that names the file."""

import contextlib
import io
import json
import os
import random
import re
import resource
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ftjob.bundle.verify import read_bundle
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import BlobProto
from ftjob.net.topology.layertypes import COMPUTING, KNOWN
from tests.bundle.conftest import Changed

ROUNDS = int(os.environ.get("FTJOB_FUZZ", "300")) // 3
LARGE = 500_000
"""Kilobytes more than before."""


def refused(bundle: Changed, sentence: str) -> None:
    """It must be, with this, in a line that can be seen."""
    with pytest.raises(BadNetError, match=sentence) as caught:
        read_bundle(bundle.root)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_the_bundle_itself_is_read(bundle: Changed) -> None:
    asked = read_bundle(bundle.root)
    assert asked.images.shape == (3, 1, 28, 28)
    assert [each.label for each in asked.golden.images] == [0, 1, 2]


OUTSIDE = sorted(KNOWN - COMPUTING - {"Input"})


@pytest.mark.parametrize("kind", OUTSIDE)
@pytest.mark.parametrize("rule", ["", "include { phase: TRAIN }", 'include { stage: "never" }'])
def test_layers_that_do_more_than_to_compute_are_named(bundle: Changed, kind: str, rule: str) -> None:
    """In whatever phase: which one a net is in, another reader may decide otherwise."""
    bundle.add_layer(f'layer {{ name: "odd" type: "{kind}" bottom: "conv" top: "odd" {rule} }}')
    refused(bundle, rf'deploy.prototxt: layer "odd" \({kind}\): .* may only compute')


LRN = 'layer { name: "n" type: "LRN" bottom: "conv" top: "n" lrn_param { local_size: 2147483645 } }'
LONG = """
layer { name: "a" type: "Convolution" bottom: "conv" top: "a"
  convolution_param { num_output: 20 kernel_size: 1 pad: 900 } }
layer { name: "b" type: "Pooling" bottom: "a" top: "b" pooling_param { kernel_size: 900 } }
"""
NETS = {
    "huge": ("num_output: 3 ", "num_output: 2147483647 ", "which no blob can be"),
    "more than memory": ("stride: 2", "stride: 1 pad: 4000", "GiB"),
    "padded": ('layer { name: "fc', f'{LRN} layer {{ name: "fc', "GiB of memory"),
    "long": ('layer { name: "fc', f'{LONG} layer {{ name: "fc', "operations for one image"),
    "another name": ('type: "ReLU"', 'type: "Relu"', "unknown type"),
    "two inputs": ('top: "data"', 'top: "data" top: "two"', "one Input layer with one top"),
    "no axes": ("dim: 28", "", "one shape of four axes"),
    "other images": ("dim: 28", "dim: 29", "takes images of 1x29x28, and preprocess.json makes 1x28x28"),
    "other scores": (
        "num_output: 3 ",
        "num_output: 4 ",
        "4 scores for an image, and golden/scores.json has 3",
    ),
    "other weights": ("kernel_size: 5", "kernel_size: 3", 'layer "conv" has .*4x1x5x5.* 4x1x3x3'),
    "no weights": ('name: "conv"', 'name: "conv2"', 'layer "conv2" has no params in it'),
    "mixing": ('type: "Softmax"', 'type: "Softmax" softmax_param { axis: 0 }', "others in its batch"),
    "cut": ('type: "Softmax"', 'type: "Softmax', "deploy.prototxt:"),
    "nested": ("layer {", "layer { x {" + "y {" * 1000, "deploy.prototxt:"),
    "large": ("layer {", "#" * 2**20 + "\nlayer {", "bytes, and at most 1,048,576 are read"),
}


@pytest.mark.parametrize(("old", "new", "sentence"), NETS.values(), ids=NETS)
def test_nets_that_cannot_be_asked(bundle: Changed, old: str, new: str, sentence: str) -> None:
    text = re.sub(r"\s+", " ", bundle.deploy.read_text())
    assert old in text
    bundle.write("deploy.prototxt", text.replace(old, new, 1))
    refused(bundle, sentence)


def test_the_batch_of_the_prototxt_makes_no_room(bundle: Changed) -> None:
    bundle.write("deploy.prototxt", bundle.deploy.read_text().replace("dim: 1", "dim: 1000000", 1))
    assert list(read_bundle(bundle.root).net.layer[0].input_param.shape[0].dim) == [1, 1, 28, 28]


PREPROCESS = "preprocess.json"
SCORES = "golden/scores.json"
VALUES: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    (PREPROCESS, ("channels",), 2, "channels are 1 or 3"),
    (PREPROCESS, ("channels",), True, "channels: Input should be a valid integer"),
    (PREPROCESS, ("height",), 10**30, "height: "),
    (PREPROCESS, ("crop",), 33, "crop 33 is larger than the images, 32x32"),
    (PREPROCESS, ("crop",), 0, "crop: "),
    (PREPROCESS, ("mean",), [1.0] * 3, "mean has 3 numbers for 1 channels"),
    (PREPROCESS, ("mean",), ["1"], "mean.0: "),
    (PREPROCESS, ("mean_file",), "../mean.binaryproto", "mean_file: "),
    (PREPROCESS, ("scale",), 1e39, "scale: "),
    (PREPROCESS, ("scale",), 3e38, "00.png: becomes numbers beyond float32"),
    (PREPROCESS, ("scale",), float("nan"), "has NaN instead of a number"),
    (SCORES, ("blob",), "fc", "no blob of the name"),
    (SCORES, ("images",), [], "images: "),
    (SCORES, ("images", 0, "image"), "../../00.png", "images.0.image: "),
    (SCORES, ("images", 0, "image"), "/etc/passwd", "images.0.image: "),
    (SCORES, ("images", 0, "image"), "01.png", "an image is named twice"),
    (SCORES, ("images", 0, "image"), "99.png", "manifest.json: does not name golden/99.png"),
    (SCORES, ("images", 0, "label"), -1, "images.0.label: "),
    (SCORES, ("images", 0, "scores"), [1.0], "different numbers of scores"),
    (SCORES, ("images", 0, "scores", 0), 1e300, "images.0.scores.0: "),
    (SCORES, ("images", 0, "scores", 0), [[1.0]], "images.0.scores.0: "),
]


@pytest.mark.parametrize(("key", "path", "value", "sentence"), VALUES)
def test_values_that_nothing_can_be_made_of(
    bundle: Changed, key: str, path: tuple[str | int, ...], value: Any, sentence: str
) -> None:
    bundle.set(key, *path, value=value)
    refused(bundle, sentence)


@pytest.mark.parametrize("key", ["manifest.json", PREPROCESS, SCORES])
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"[" * 100_000, b"\xff\xfe", b"1" * 5000, b'{"files": 3}']
)
def test_documents_that_are_none(bundle: Changed, key: str, data: bytes) -> None:
    (bundle.root / key).write_bytes(data)
    if key != "manifest.json":
        bundle.seal()
    refused(bundle, f"{key}: ")


def test_the_first_wrong_element_of_many_is_enough(bundle: Changed) -> None:
    """A sentence for each of two million was gigabytes."""
    bundle.write(SCORES, f'{{"blob": "x", "images": [{",".join(["{}"] * 2_000_000)}]}}')
    refused(bundle, "images.0.image: ")


def test_a_manifest_names_all_that_is_needed_and_nothing_elsewhere(bundle: Changed) -> None:
    """What it does not name, such as notes beside it, is passed over."""
    (bundle.root / "notes").symlink_to("/dev/zero")
    assert read_bundle(bundle.root).images.size
    whole = json.loads(bundle.manifest.read_text())
    for key in whole["files"]:
        rest = {name: digest for name, digest in whole["files"].items() if name != key}
        bundle.manifest.write_text(json.dumps({**whole, "files": rest}))
        refused(bundle, f"does not name {key}")
    for name in ("../x", "/etc/passwd", "golden/../x", "golden//x", ".", "a\nb", "golden/a/b", ""):
        bundle.manifest.write_text(json.dumps({**whole, "files": {**whole["files"], name: "0" * 64}}))
        refused(bundle, r"manifest.json: ")
    bundle.manifest.write_text(json.dumps({**whole, "files": {f"a{i}": "0" * 64 for i in range(1000)}}))
    refused(bundle, "at most")


@pytest.mark.parametrize("key", ["weights.caffemodel", "deploy.prototxt", PREPROCESS, "golden/00.png"])
def test_only_regular_files_within_the_folder_are_opened(bundle: Changed, key: str, tmp_path: Path) -> None:
    path = bundle.root / key
    kept = path.rename(tmp_path / "kept")
    refused(bundle, f"{key}: missing from the bundle")
    path.symlink_to(kept)
    refused(bundle, f"{key}: leads out of the bundle's folder")
    for make, sentence in (
        (lambda: path.symlink_to("/dev/zero"), "leads out"),
        (lambda: path.symlink_to(path.name), "cannot be read|links go round"),
        (lambda: os.mkfifo(path), "not a regular file"),
        (path.mkdir, "not a regular file"),
    ):
        path.unlink()
        make()
        refused(bundle, sentence)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(2**40)
    refused(bundle, "bytes, and at most 2,147,483,647 are read")
    path.unlink()
    path.symlink_to(kept.rename(bundle.root / "within"))  # as some ways of storing files have it
    assert read_bundle(bundle.root).images.size


def _image(mode: str, kind: str, size: tuple[int, int] = (32, 32)) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, kind)
    return stream.getvalue()


def _bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


IMAGES = {
    "text": (b"no image", "is not a whole PNG or JPEG image"),
    "empty": (b"", "is not a whole PNG or JPEG image"),
    "gif": (_image("L", "GIF"), "is not a whole PNG or JPEG image"),
    "colour": (_image("RGB", "PNG"), "does not have 1 channels of 8 bits"),
    "16 bits": (_image("I;16", "PNG"), "does not have 1 channels of 8 bits"),
    "small": (_image("L", "PNG", (20, 40)), "is of 20x40 pixels, of which the net's input cannot be made"),
    "other size": (_image("L", "PNG", (40, 40)), "is of 40x40 pixels, and mean.binaryproto is not"),
    "cut": (_image("L", "PNG")[:-30], "is not a whole PNG or JPEG image"),
    "bomb": (_bomb(5000, 5000), "has 5000x5000 pixels, and at most"),
    "warned bomb": (_bomb(10_000, 10_000), "pixels, and at most|is not a whole"),
    "refused bomb": (_bomb(60_000, 60_000), "is not a whole PNG or JPEG image"),
    "claim": (_bomb(4000, 4000), "is not a whole PNG or JPEG image"),
}


@pytest.mark.parametrize(("data", "sentence"), IMAGES.values(), ids=IMAGES)
def test_images_that_are_none(bundle: Changed, data: bytes, sentence: str) -> None:
    bundle.write("golden/00.png", data)
    refused(bundle, f"golden/00.png: {sentence}")


MEANS = {
    "text": (b"no mean", "is not a .binaryproto"),
    "empty": (b"", "holds a blob"),
    "negative": (BlobProto(shape={"dim": [1, 1, -32, -32]}, data=[0.0] * 1024), "holds a blob of shape"),
    "claim": (BlobProto(shape={"dim": [1, 2**32, 2**32, 2**32]}, data=[1.0]), "holds a blob of shape"),
    "axes": (BlobProto(shape={"dim": [1] * 100_000}, data=[1.0]), "shape more than 4 axes"),
    "nan": (BlobProto(num=1, channels=1, height=32, width=32, data=[float("nan")] * 1024), "not finite"),
    "double": (BlobProto(num=1, channels=1, height=1, width=1, double_data=[1e300]), "not finite"),
    "large": (bytes(33 * 2**20), "bytes, and at most"),
}


@pytest.mark.parametrize(("mean", "sentence"), MEANS.values(), ids=MEANS)
def test_means_that_are_none(bundle: Changed, mean: bytes | BlobProto, sentence: str) -> None:
    bundle.write("mean.binaryproto", mean if isinstance(mean, bytes) else mean.SerializeToString())
    refused(bundle, f"mean.binaryproto: .*{sentence}")


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def test_weights_that_are_none(bundle: Changed) -> None:
    whole = bundle.weights.read_bytes()
    hdf5 = bytearray(whole + _field(1000, bytes(32768)))  # of a field that no Caffe has
    place = next(2**power for power in range(9, 15) if 2**power > len(whole) + 16)
    hdf5[place : place + 8] = b"\x89HDF\r\n\x1a\n"
    shape = _field(100, _field(1, b"conv") + _field(7, _field(7, _field(1, b"\x01" * 100_000))))
    cases = {
        b"": "is empty",
        b"text": "is text",
        whole[:-7]: "is cut off",
        whole + _varint(100 << 3 | 2) + _varint(2**62): "is cut off",
        whole + b"\x80" * 20: "is damaged",
        whole + b"\x0b" * 20: "is damaged",
        whole + b"\x08\x00" * 1_100_000: "has more fields than any net's weights",
        shape: "has more axes than a blob can have",
        bytes(hdf5): "is a .caffemodel and an HDF5 file at once",
    }
    for data, sentence in cases.items():
        bundle.write("weights.caffemodel", data)
        refused(bundle, f"weights.caffemodel: .*{sentence}")


def test_labels_are_one_for_every_score(bundle: Changed) -> None:
    for labels, sentence in ((b"a\nb\n", "has 2 lines"), (b"\xff\n\n\n", "is no text in UTF-8")):
        bundle.write("labels.txt", labels)
        refused(bundle, f"labels.txt: {sentence}")


NASTY: list[Any] = [
    None, True, -1, 0, 2**31, 10**400, 0.5, -1e308, 1e-320, "", "x" * 100_000, "\u202e\x1b[31m", "../x", [],
    {}, [[[]]], {"a": {}}, list(range(1000)), "\ud800",
]  # fmt: skip
TEXTS = ["deploy.prototxt", "labels.txt", "manifest.json", PREPROCESS, SCORES]
BYTES = ["weights.caffemodel", "mean.binaryproto", "golden/00.png", "evaluation.json"]


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, each in inner for leaf in _leaves(each, (*path, key)))]


def mutate(bundle: Changed, rng: random.Random) -> None:
    """Change something of one to three files, as its kind of file has it, and mostly seal it again."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        key = rng.choice([*TEXTS, *BYTES])
        path = bundle.root / key
        data = path.read_bytes()
        if key.endswith(".json") and rng.random() < 0.7:
            _mutate_json(path, rng)
        elif key in TEXTS and rng.random() < 0.8:
            tokens = re.findall(r'"[^"]*"|[\w.+-]+|\S|\s+', data.decode(errors="replace"))
            at = rng.randrange(len(tokens) + 1)
            words = [
                '"Python"',
                '"HDF5Output"',
                "99999999999",
                "-1",
                "{",
                "}",
                '"',
                "nan",
                "dim: 0",
                "\x00",
                *tokens,
            ]
            tokens[at : at + rng.choice([0, 1, 1, 4])] = [
                rng.choice(words) for _ in range(rng.choice([0, 1, 2]))
            ]
            path.write_text("".join(tokens), encoding="utf-8", errors="replace")
        else:
            at = rng.randrange(len(data) + 1)
            piece = rng.choice([b"", b"\xff" * 9, rng.randbytes(4), data[:40]])
            path.write_bytes(data[:at] + piece + data[at + rng.choice([0, 1, 4, 100]) :])
        if key != "manifest.json" and rng.random() < 0.95:
            try:
                bundle.seal()
            except ValueError:
                return


def _mutate_json(path: Path, rng: random.Random) -> None:
    try:
        document = json.loads(path.read_text())
        *before, last = rng.choice(_leaves(document)[1:])
    except (ValueError, IndexError):
        return
    inner = document
    for step in before:
        inner = inner[step]
    if rng.random() < 0.2:
        del inner[last]
    else:
        inner[last] = rng.choice(NASTY)
    path.write_text(json.dumps(document))


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=ROUNDS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_bundle_is_a_question_or_a_sentence(made: Path, tmp_path_factory: Any, seed: int) -> None:
    """Whatever is changed in its files, and no gigabyte is taken."""
    root = tmp_path_factory.mktemp("fuzz") / "bundle"
    bundle = Changed(shutil.copytree(made, root))
    mutate(bundle, random.Random(seed))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(BadNetError):
        asked = read_bundle(bundle.root)
        assert {layer.type for layer in asked.net.layer} <= COMPUTING | {"Input"}
        assert np.isfinite(asked.images).all()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGE
    shutil.rmtree(root)
