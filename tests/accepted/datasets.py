"""Data that people have: images of one size or many, labels with gaps, means of other images."""

from dataclasses import dataclass
from typing import Any

from tests.accepted.builder import Builder
from tests.accepted.nets import Image
from tests.accepted.records import Dataset
from tests.accepted.weights import Shape

SIDES = (12, 8, 16, 20, 9, 28, 33, 40)
ODD_RECORDS = """
    another size | other channels | as raw | as png | as jpg | as float | short | long | empty | no pixels
    | not encoded | floats too | turned | other shape | no size"""
LABELS_TXT = (
    "ant\nbee\ncow\n", "ant\nbee\ncow\n\n", "\ufeffant\nbee\ncow\n", "", "ant\n", "\n\n\n", "ant\nant\nant\n",
    "ant\nbee\ncow\ndog\neel\nfox\ngnu\n", "ant\r\nbee\r\ncow\r\n", "a\x85b\nc\nd", "ant bee\n\u2028x\ny\n",
)  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Train and val, and the part of a spec that is about them."""

    section: dict[str, Any]
    train: Dataset
    val: Dataset | None
    mean: Shape | None
    """The shape of a mean image, where the spec names one."""
    wanted: Image
    """What reaches the net."""


def draw_data(b: Builder) -> Data:
    """Draw what a net is trained on."""
    channels = b.pick(2, 4) if b.chance(1) else b.pick(3, 1)
    height = b.pick(*SIDES)
    image = (channels, height, b.pick(*SIDES) if b.chance(15) else height)
    train, val = datasets(b, image)
    section: dict[str, Any] = {"train": "train", "val": "val", "batch_size": b.pick(4, 1, 2, 7, 64)}
    if train.form == "built":
        section |= {"train": b.pick("train/out/train", "train/out"), "val": "train/out/val"}
    elif val is None:
        del section["val"]
        section["val_split"] = b.pick(0.4, 0.1, 0.9)
    if train.form == "folder" and not b.chance(20):
        section["resize"] = height
    crop = None
    if b.chance(30):
        least = min(image[1:])
        crop = section["crop"] = least + 1 if b.chance(8) else b.pick(least, least - 2, 8)
    if not b.chance(10):
        section["scale"] = b.pick(0.004, 0.01, 1e-6)
    if b.chance(20):
        section["mirror"] = True
    mean = draw_mean(b, image, section)
    return Data(section, train, val, mean, (channels, crop or image[1], crop or image[2]))


def draw_mean(b: Builder, image: Image, section: dict[str, Any]) -> Shape | None:
    """Draw `data.mean`; return the shape of the mean image that is to be there."""
    channels, height, width = image
    how = b.pick("none", "auto", "one", "each", "file")
    values = {"one": [100], "each": [0, 0, 0] if b.chance(10) else [100.5] * channels}
    section["mean"] = values.get(how, how)
    if how != "file":
        return None
    section["mean"] = "mean.binaryproto"
    if b.chance(15):
        others = ((channels, 10, 10), (3, height, width), (1, height, width), (height, width), (2, *image))
        return tuple(b.pick(*others, (channels, width, height)))
    return (1, *image) if b.chance(70) else image


def datasets(b: Builder, image: Image) -> tuple[Dataset, Dataset | None]:
    """Draw train and val; no val where one is to be split off."""
    form = b.pick("raw", "raw", "png", "jpg")
    if b.chance(20):
        form = "float" if b.chance(8) else b.pick("folder", "built")
    if image[0] not in (1, 3):
        form = "raw"
    labels = draw_labels(b, b.pick(3, 2, 4, 7), b.number(2, 6))
    uneven = (b.number(0, 3), b.number(0, 3)) if b.chance(8) else (0, 0)
    names = b.pick(*LABELS_TXT) if b.chance(5) else None
    train = Dataset(labels, image, form, odd_records(b, len(labels)), names, 0, uneven)
    if form == "built" or (form == "folder" and b.chance(60)):
        return train, None
    return train, draw_val(b, train)


def draw_val(b: Builder, train: Dataset) -> Dataset:
    """Draw val, which is like train in most cases."""
    labels, shape, form = train.labels, train.shape, train.form
    channels, height, width = shape
    if b.chance(5):
        others = ((channels, height + 4, width), (channels, 8, 8), (channels, width + 1, height))
        shape = b.pick(*others, (1 if channels > 1 else 3, height, width))
    if b.chance(10):
        without_first = tuple(label for label in labels if label)
        shifted = tuple(label + 1 for label in labels)
        labels = b.pick(without_first, labels[:1], labels[-1:], (0,), (1,) * 5, shifted)
    if b.chance(6) and channels in (1, 3):
        form = b.pick("raw", "jpg", "png", "float", "folder")
    uneven = train.uneven if b.chance(50) else (0, 0)
    labels = labels or (0,)
    return Dataset(labels, shape, form, odd_records(b, len(labels)), None, 1, uneven)


def draw_labels(b: Builder, classes: int, each: int) -> tuple[int, ...]:
    """The labels of a dataset, mostly from 0 without gaps."""
    labels = list(range(classes)) * each
    if b.chance(20):
        labels.sort()
    if b.chance(3):
        at = b.number(0, len(labels) - 1)
        labels[at] = b.pick(classes, classes + 5, -1, 1000, 100_000, 2**31 - 1, -(2**31))
        labels += [labels[at]] * b.pick(0, 1)
    if b.chance(2):
        count = len(labels)
        labels = b.pick([0] * count, [1] * count, [label + 1 for label in labels], [0, 1], [0], [0, 0, 1, 1])
    return tuple(labels)


def odd_records(b: Builder, count: int) -> tuple[tuple[int, str], ...]:
    """Records that are unlike the others, in few datasets."""
    return ((b.pick(0, count - 1, count // 2), b.either(ODD_RECORDS)),) if b.chance(4) else ()
