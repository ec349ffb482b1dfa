"""Images that a run could not be trained on, tested on or ended with: refused before it starts."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob import api
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.mean_image import write_mean_image
from ftjob.errors import BadDataError, BadSpecError, FtjobError
from ftjob.plan.plan import Plan
from ftjob.prepare.dataset import BuiltDataset
from ftjob.prepare.prepare import data_findings
from jobspec import JobSpec
from tests.dataset.images import dataset, photo, raw

Sizes = Sequence[tuple[int, int]]
"""(height, width) of images."""
SIZE = (40, 40)


def images(folder: Path, sizes: Sizes, channels: int = 3) -> Path:
    """An LMDB of two classes with images of these sizes, no picture twice."""
    return dataset(folder, [raw(at % 2, photo(at, *size)[:, :, :channels]) for at, size in enumerate(sizes)])


def spec(train: Path, val: Path, **data: Any) -> JobSpec:
    return JobSpec.model_validate(
        {
            "name": "misfits",
            "base": {"net": "lenet"},
            "data": {"train": str(train), "val": str(val), "batch_size": 2, **data},
            "output": "runs",
        }
    )


@pytest.fixture
def planned(tmp_path: Path) -> Callable[..., Plan]:
    """Plan a run of LeNet on images of these sizes and channels."""

    def plan(train: Sizes, val: Sizes, channels: tuple[int, int] = (1, 1), **data: Any) -> Plan:
        folders = images(tmp_path / "train", train, channels[0]), images(tmp_path / "val", val, channels[1])
        return api.plan(spec(*folders, **data))

    return plan


ONE, TWO = [SIZE] * 4, [SIZE, (40, 36), (34, 50), SIZE]


ODD = "2 records are not 40x40 as the first is, such as 001, which is 36x40"
SMALL = [(28, 28)] * 4
TOO_SMALL = "smaller than the crop of 3[26]: crop at most"


@pytest.mark.parametrize(
    ("train", "val", "data", "kind", "message"),
    [
        (ONE, SMALL, {"crop": 32}, BadSpecError, f"data.crop: .*/val: images are 28x28, {TOO_SMALL} 28"),
        (TWO, ONE, {"crop": 36}, BadSpecError, f"/train: the image of record 002 is 50x34, {TOO_SMALL} 34"),
        (TWO, ONE, {}, BadDataError, f"/train: {ODD}: give data.crop"),
        (ONE, TWO, {}, BadDataError, f"/val: {ODD}: give data.crop"),
        (ONE, SMALL, {}, BadDataError, "/val: images are 28x28, those of train 40x40: give data.crop"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    planned: Callable[..., Plan], train: Sizes, val: Sizes, data: dict[str, Any], kind: type, message: str
) -> None:
    """Without a crop all are of one size, with one it fits into all; the dataset and the record are named."""
    with pytest.raises(kind, match=message):
        planned(train, val, **data)


def test_images_of_several_sizes_are_cropped(planned: Callable[..., Plan]) -> None:
    """They can be trained on, and what a bundle makes of other pictures is reported."""
    [warning] = planned(TWO, ONE, crop=28, scale=1 / 256).warnings

    assert f"{ODD}: each is cropped" in warning


@pytest.mark.parametrize("channels", [(1, 3), (3, 1)])
def test_train_and_val_have_the_same_channels(
    planned: Callable[..., Plan], channels: tuple[int, int]
) -> None:
    """A net has one number of them."""
    own, other = ("grey" if each == 1 else "in colour" for each in channels)
    with pytest.raises(BadDataError, match=f"/val: images are {other}, those of train {own}: build both"):
        planned(ONE, ONE, channels)


TALL = [(36, 40)] * 4


@pytest.mark.parametrize(
    ("train", "val", "message"),
    [
        (ONE, TALL, r"/val: images are of shape \(1, 36, 40\), and data.mean .* a mean of \(1, 40, 40\)"),
        (ONE, TWO, r"/val: the image of record 001 is of shape \(1, 40, 36\), and data.mean"),
        (TWO, ONE, r"/train: the image of record 001 is of shape \(1, 40, 36\)"),
        (TALL, ONE, r"/train: images are of shape \(1, 36, 40\)"),
    ],
)
def test_a_mean_image_has_the_size_of_all_images(
    planned: Callable[..., Plan], tmp_path: Path, train: Sizes, val: Sizes, message: str
) -> None:
    """Caffe cuts it where it cuts the image, and ends where their sizes differ, with a crop too."""
    write_mean_image(tmp_path / "mean.binaryproto", np.zeros(SIZE))

    with pytest.raises(BadDataError, match=message):
        planned(train, val, crop=28, mean=str(tmp_path / "mean.binaryproto"))


SOME = st.lists(st.sampled_from([(28, 28), (28, 31), (33, 29), (40, 40)]), min_size=4, max_size=6)


@settings(max_examples=40, deadline=None)
@given(train=SOME, val=SOME, crop=st.sampled_from([None, 28, 29, 40]))
def test_what_is_refused_is_what_caffe_cannot_read(
    tmp_path_factory: pytest.TempPathFactory, train: Sizes, val: Sizes, crop: int | None
) -> None:
    """Caffe's two checks, over all images of both, decide (data_transformer.cpp)."""
    folder = tmp_path_factory.mktemp("sizes")
    found = BuiltDataset(inspect(images(folder / "train", train)), inspect(images(folder / "val", val)))
    sizes = {*train, *val}
    fits = len(sizes) == 1 if crop is None else crop <= min(map(min, sizes))

    try:
        data_findings(spec(found.train.path, found.val.path, crop=crop), found)
        accepted = True
    except FtjobError:
        accepted = False

    assert accepted == fits
