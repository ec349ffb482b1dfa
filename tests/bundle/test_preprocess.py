"""Laws of preprocessing: what is served to a deploy net is what the data layer served in training."""

import json
from collections.abc import Sequence
from pathlib import Path

import lmdb
import numpy as np
import pytest
from numpy.typing import NDArray

from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.engine.caffe.client import open_engine
from ftjob.fs.documents import checked_as
from ftjob.net.proto.caffe_pb2 import BlobProto, Datum

RANDOM = np.random.default_rng(1)
IMAGES: NDArray[np.uint8] = RANDOM.integers(0, 256, (4, 9, 12, 3), dtype=np.uint8)
MEAN_IMAGE: NDArray[np.float32] = RANDOM.uniform(90, 130, (3, 9, 12)).astype(np.float32)

NET = """
layer {{ name: "data" type: "Data" top: "data" top: "label"
        data_param {{ source: "lmdb" batch_size: 4 backend: LMDB }} transform_param {{ {transform} }} }}
layer {{ name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param {{ num_output: 2 }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 test_iter: 1 test_interval: 1'


def preprocess(**changes: object) -> Preprocess:
    plain = {"crop": None, "mean": (), "mean_file": None, "scale": 1.0}
    return Preprocess(channels=3, height=9, width=12, resize_mode="squash", **{**plain, **changes})


def what_caffe_makes(
    folder: Path, transform_param: str, images: Sequence[NDArray[np.uint8]] = IMAGES
) -> NDArray[np.float32]:
    """Return the data blob of Caffe's own TEST net over images."""
    (folder / "lmdb").mkdir()
    with lmdb.open(str(folder / "lmdb"), map_size=1 << 20) as env, env.begin(write=True) as txn:
        for number, image in enumerate(images):
            height, width, channels = image.shape
            pixels = image.transpose(2, 0, 1).tobytes()
            datum = Datum(channels=channels, height=height, width=width, data=pixels, label=number % 2)
            txn.put(b"%08d" % number, datum.SerializeToString())
    mean = BlobProto(num=1, channels=3, height=9, width=12, data=MEAN_IMAGE.ravel())
    (folder / "mean.binaryproto").write_bytes(mean.SerializeToString())
    (folder / "net.prototxt").write_text(NET.format(transform=transform_param))
    (folder / "solver.prototxt").write_text(SOLVER)
    solver = folder / "solver.prototxt"
    with open_engine(solver, weights=None, log=folder / "log", cwd=folder) as engine:
        return engine.test(len(images), ["data"])["data"]


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("transform_param", "changes"),
    [
        ("scale: 0.00390625", {"scale": 1 / 256}),
        ("mean_value: 104 mean_value: 117 mean_value: 123", {"mean": (104.0, 117.0, 123.0)}),
        ("crop_size: 7 mean_value: 110.5", {"crop": 7, "mean": (110.5,)}),
        (
            "crop_size: 6 scale: 0.5 mean_file: 'mean.binaryproto'",
            {"crop": 6, "scale": 0.5, "mean_file": "m"},
        ),
    ],
)
def test_transform_is_caffes_to_the_bit(tmp_path: Path, transform_param: str, changes: dict[str, object]):
    """For every setting, odd and even crops, the array equals the TEST data layer's."""
    how = preprocess(**changes)
    mean_image = MEAN_IMAGE if how.mean_file else None

    ours = np.stack([transform(image, how, mean_image) for image in IMAGES])

    np.testing.assert_array_equal(ours, what_caffe_makes(tmp_path, transform_param))


@pytest.mark.caffe
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_several_sizes_are_each_cropped_in_their_own_middle(tmp_path: Path, channels: int):
    """Whatever the size that the bundle makes of other pictures."""
    sizes = [(9, 12), (7, 7), (16, 8), (8, 31)]
    images = [RANDOM.integers(0, 256, (*size, channels), dtype=np.uint8) for size in sizes]

    ours = np.stack([transform(image, preprocess(crop=7)) for image in images])

    np.testing.assert_array_equal(ours, what_caffe_makes(tmp_path, "crop_size: 7", images))


def test_what_is_written_reads_back_equal():
    """preprocess.json holds all of it."""
    how = preprocess(crop=7, mean=(104.0, 117.0, 123.0))

    assert checked_as(Preprocess, json.loads(json.dumps(how.to_json()))) == how
