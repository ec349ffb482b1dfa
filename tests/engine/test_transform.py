"""Data layers: both engines make the same numbers of the same records."""

import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.dataset.lmdb.datum import encode_datum
from ftjob.engine.client import ProcessEngine
from ftjob.engine.open import open_engine
from ftjob.engine.torch.feed.decoders import SMALL_BYTES
from ftjob.engine.torch.feed.transform import ImageTransform
from ftjob.errors import BadDataError, EngineError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, BlobProto, LayerParameter, TransformationParameter
from tests.engine import nets
from tests.engine.conftest import Job

pytestmark = pytest.mark.usefixtures("forked_torch")

LAYER = """layer {{ name: "{name}" type: "Data" top: "{name}" top: "{name}_label" include {{ phase: TEST }}
  transform_param {{ {transform} }}
  data_param {{ source: "{name}" batch_size: 4 backend: LMDB }} }}
"""
TRANSFORMS = {
    "plain": "scale: 0.017",
    "means": "mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017",
    "one_mean": "mean_value: 99.5",
    "middle": "crop_size: 4 scale: 0.5",
    "mean_image": 'mean_file: "mean.binaryproto" scale: 0.1',
    "mean_image_middle": 'mean_file: "mean.binaryproto" crop_size: 5',
    "encoded": "mean_value: 104 mean_value: 117 mean_value: 123",
    "encoded_in_colour": "force_color: true",
}
SIDES = (9, 6)


def coloured(count: int) -> nets.Records:
    """Random images whose sides differ."""
    pixels = np.random.default_rng(2).integers(0, 256, (count, 3, *SIDES), dtype=np.uint8)
    return nets.Records(pixels, np.arange(count) % 3)


def write_encoded(path: Path, content: nets.Records, *, grey: bool) -> None:
    """Write PNGs, as `convert_imageset -encoded` does."""
    with lmdb.open(str(path), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for number, (image, label) in enumerate(zip(content.images, content.labels, strict=True)):
            picture = image[0] if grey else image.transpose(1, 2, 0)
            png = cv2.imencode(".png", picture)[1].tobytes()
            datum = encode_datum(png, int(label), channels=0, height=0, width=0, encoded=True)
            txn.put(b"%08d" % number, datum)


@pytest.mark.torch
@pytest.mark.caffe
def test_both_engines_make_the_same_of_records(job: Job):
    """Means, mean images, crops in the middle, PNGs in the LMDB: equal to the bit, labels and order too."""
    text = "".join(LAYER.format(name=name, transform=how) for name, how in TRANSFORMS.items())
    folder = job(nets.softmax_regression() + text)
    content = coloured(7)
    for name in TRANSFORMS:
        if name.startswith("encoded"):
            write_encoded(folder / name, content, grey=name.endswith("colour"))
        else:
            shutil.copytree(nets.write_lmdb(folder / "coloured", coloured(7)), folder / name)
    mean = np.random.default_rng(3).uniform(90, 130, (3, *SIDES)).astype(np.float32)
    blob = BlobProto(num=1, channels=3, height=SIDES[0], width=SIDES[1], data=mean.ravel())
    (folder / "mean.binaryproto").write_bytes(blob.SerializeToString())

    made = {}
    for engine in ("caffe", "torch"):
        with open_engine(
            engine, solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
        ) as opened:
            made[engine] = opened.test(7, [*TRANSFORMS, "means_label"])

    unequal = {name for name, its in made["caffe"].items() if not np.array_equal(its, made["torch"][name])}
    assert unequal == set()
    assert made["torch"]["means_label"].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert made["torch"]["mean_image_middle"].shape == (7, 3, 5, 5)


def large(count: int) -> nets.Records:
    """Images of which a batch of four is made by other processes."""
    pixels = np.random.default_rng(4).integers(0, 256, (count, 3, 300, 310), dtype=np.uint8)
    assert pixels[:4].nbytes > SMALL_BYTES
    return nets.Records(pixels, np.arange(count) % 3)


@pytest.mark.torch
@pytest.mark.caffe
def test_batches_that_other_processes_make_are_caffes_too(job: Job):
    """Records round and round, means and labels: equal to the bit."""
    transform = "crop_size: 299 mean_value: 104 mean_value: 117 mean_value: 123 scale: 0.017"
    folder = job(nets.softmax_regression() + LAYER.format(name="large", transform=transform))
    nets.write_lmdb(folder / "large", large(6))

    made = {}
    for engine in ("caffe", "torch"):
        with open_engine(
            engine, solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
        ) as opened:
            made[engine] = opened.test(10, ["large", "large_label"])

    for blob, values in made["caffe"].items():
        np.testing.assert_array_equal(made["torch"][blob], values)


@pytest.mark.torch
def test_the_end_of_a_process_that_decodes_is_the_engines_error(job: Job):
    """A damaged record has its key; a process that was killed its signal."""
    content = large(4)
    folder = job(nets.softmax_regression(), train=content)
    with open_engine(
        "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
    ) as opened:
        assert isinstance(opened, ProcessEngine)
        opened.step(2)
        engine = psutil.Process(opened.child.pid)
        for decoder in set(engine.children(recursive=True)) - set(engine.children()):
            decoder.kill()
        with pytest.raises(EngineError, match="a process that decodes records was ended by SIGKILL"):
            opened.step(5)

    with lmdb.open(str(folder / "train")) as env, env.begin(write=True) as txn:
        txn.put(b"00000002", b"\xff\xff")
    with (
        open_engine(
            "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
        ) as opened,
        pytest.raises(BadDataError, match="train: record 00000002: is not a Datum of Caffe"),
    ):
        opened.step(1)


@pytest.mark.torch
@pytest.mark.caffe
def test_a_data_layer_of_the_test_phase_crops_from_the_centre(job: Job):
    """`phase: TEST` in a layer of the TRAIN net: both engines train on the same middles."""
    net = nets.softmax_regression().replace("transform_param {", "transform_param { crop_size: 4")
    folder = job(net.replace('type: "Data"', 'type: "Data" phase: TEST', 1))
    with open_engine(
        "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
    ) as torch:
        weights = torch.snapshot(folder).caffemodel
        losses = {"torch": [step.loss for step in torch.step(6)]}
    with open_engine(
        "caffe", solver=folder / "solver.prototxt", weights=weights, log=folder / "log", cwd=folder
    ) as caffe:
        losses["caffe"] = [step.loss for step in caffe.step(6)]

    np.testing.assert_allclose(losses["torch"], losses["caffe"], rtol=1e-5)


@pytest.mark.torch
def test_waiting_for_images_is_measured(job: Job):
    """Large PNGs take longer to decode than a small product takes: most of the time is waiting for them."""
    folder = job(nets.softmax_regression())
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "val")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 3, 700, 900), dtype=np.uint8)
    for name in ("train", "val"):
        write_encoded(folder / name, nets.Records(pixels, np.arange(4) % 3), grey=False)
    with open_engine(
        "torch", solver=folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder
    ) as opened:
        steps = opened.step(8)

    assert all(step.waited is not None and 0 <= step.waited <= step.seconds for step in steps)
    assert sum(step.waited or 0 for step in steps) > 0


def test_random_crops_and_mirrors_are_windows_of_the_image():
    """Every window and both directions come while training; a TEST net takes the middle, mirrored or not."""
    param = TransformationParameter(crop_size=4, mirror=True, scale=2, mean_value=[1])
    layer = LayerParameter(name="data", type="Data", transform_param=param)
    pixels = np.arange(5 * 6, dtype=np.uint8).reshape(1, 5, 6)
    windows = {}
    for row, column in np.ndindex(2, 3):
        window = (pixels[0, row : row + 4, column : column + 4].astype(np.float32) - 1) * 2
        windows[tuple(window.ravel())] = (row, column, False)
        windows[tuple(window[:, ::-1].ravel())] = (row, column, True)
    draws = np.random.default_rng(0).random((400, 3))

    found = []
    for phase in (TRAIN, TEST):
        transform, seen = ImageTransform(layer, (1, 4, 4), phase), set()
        for each in draws:
            out = np.empty((1, 4, 4), np.float32)
            transform.into(out, pixels, each)
            seen.add(windows[tuple(out.ravel())])
        found.append(seen)
    assert found[0] == set(windows.values())
    assert found[1] == {(0, 1, False), (0, 1, True)}


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    channels=st.sampled_from([1, 3, 4]),
    interleaved=st.booleans(),
    mirror=st.booleans(),
    crop=st.integers(0, 9),
)
def test_pixels_are_copied_as_numpy_would(height, width, channels, interleaved, mirror, crop):
    """Whatever the sides, the memory's order and the crop: the bytes are those of plain slicing."""
    crop = min(crop, height, width)
    stored = np.random.default_rng(1).integers(0, 256, (height, width, channels), dtype=np.uint8)
    planes = stored.transpose(2, 0, 1)
    if not interleaved:
        planes = np.ascontiguousarray(planes)
    param = TransformationParameter(crop_size=crop, mirror=mirror)
    shape = (channels, crop or height, crop or width)
    transform = ImageTransform(LayerParameter(name="data", type="Data", transform_param=param), shape, TRAIN)
    made = np.empty(shape, np.uint8)

    transform.pixels_into(made, planes, np.array([0.99, 0.5, 0.9]))

    row, column = (int(share * (side - crop + 1)) for share, side in ((0.99, height), (0.5, width)))
    wanted = planes[:, row : row + crop, column : column + crop] if crop else planes
    assert np.array_equal(made, wanted[:, :, ::-1] if mirror else wanted)
