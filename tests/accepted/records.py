"""Tiny datasets from a few words: LMDBs of Datum, or folders of images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import lmdb
import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.build.build import build
from ftjob.dataset.build_options import BuildOptions
from ftjob.net.proto.caffe_pb2 import Datum

MAP_BYTES = 1 << 22


@dataclass(frozen=True)
class Dataset:
    """What a dataset holds: one image for each label."""

    labels: tuple[int, ...]
    shape: tuple[int, int, int]
    """Channels, height, width."""
    form: str = "raw"
    """Of an LMDB's records: raw, png, jpg, float; or folder (of PNGs), or built (of such a folder)."""
    odd: tuple[tuple[int, str], ...] = ()
    """Records that differ from the others, and how."""
    names: str | None = None
    """A labels.txt beside the LMDB."""
    seed: int = 0
    uneven: tuple[int, int] = (0, 0)
    """Most pixels that heights and widths of the images vary by."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Read what JSON makes of one."""
        tuples = {name: tuple(values[name]) for name in ("labels", "shape", "uneven")}
        return cls(**{**values, **tuples, "odd": tuple((at, how) for at, how in values["odd"])})


def make_dataset(dataset: Dataset, folder: Path) -> None:
    """Write a dataset; an LMDB lies in `folder`, with what its names are."""
    folder.mkdir()
    if dataset.form in ("folder", "built"):
        _write_folder(dataset, folder if dataset.form == "folder" else folder / "photos")
        if dataset.form == "built":
            _build(dataset, folder)
        return
    odd = dict(dataset.odd)
    with lmdb.open(str(folder), map_size=MAP_BYTES, sync=False) as env, env.begin(write=True) as txn:
        for index, label in enumerate(dataset.labels):
            how = odd.get(index, "")
            record = _record(pixels(dataset, index), label, dataset.form, how)
            txn.put(b"%08d" % index, record)
    if dataset.names is not None:
        (folder / "labels.txt").write_text(dataset.names)


def pixels(dataset: Dataset, index: int) -> NDArray[np.uint8]:
    """Return an image (H, W, C): noise about a level that depends on the label."""
    random = np.random.default_rng((dataset.seed, index))
    channels, height, width = dataset.shape
    if index:  # the first has the shape that is declared
        height += int(random.integers(0, dataset.uneven[0] + 1))
        width += int(random.integers(0, dataset.uneven[1] + 1))
    level = 40 + 60 * (dataset.labels[index] % 4)
    noise = random.integers(-30, 31, (height, width, channels))
    return (level + noise).clip(0, 255).astype(np.uint8)


def _record(image: NDArray[np.uint8], label: int, form: str, how: str) -> bytes:
    height, width, channels = image.shape
    if how == "another size":
        image = cv2.resize(image, (width + 2, height + 1)).reshape(height + 1, width + 2, channels)
    elif how == "other channels":
        image = np.repeat(image[:, :, :1], 3 if channels == 1 else 1, 2)
    height, width, channels = image.shape
    datum = Datum(channels=channels, height=height, width=width, label=label)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    kind = how.removeprefix("as ") if how.startswith("as ") else form
    if channels not in (1, 3) and kind != "float":
        kind = "raw"
    if kind == "raw":
        datum.data = planes.tobytes()
    elif kind == "float":
        datum.float_data.extend(planes.ravel().astype(float) / 256)
    else:
        datum.data = cv2.imencode(f".{kind}", image)[1].tobytes()
        datum.encoded = True
        if how == "no size":
            datum.channels = datum.height = datum.width = 0
    _spoil(datum, how)
    return datum.SerializeToString()


def _spoil(datum: Datum, how: str) -> None:
    if how == "short":
        datum.data = datum.data[: len(datum.data) // 2]
    elif how == "long":
        datum.data += b"\0\0\0"
    elif how == "empty":
        datum.Clear()
    elif how == "no pixels":
        datum.data = b""
    elif how == "not encoded":
        datum.encoded = not datum.encoded
    elif how == "floats too":
        datum.float_data.extend([0.5] * (datum.channels * datum.height * datum.width))
    elif how == "turned":
        datum.height, datum.width = datum.width, datum.height
    elif how == "other shape":
        datum.channels, datum.height = datum.height, datum.channels


def _write_folder(dataset: Dataset, folder: Path) -> None:
    for index, label in enumerate(dataset.labels):
        place = folder / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{index}.png"), pixels(dataset, index))


def _build(dataset: Dataset, folder: Path) -> None:
    channels, height, width = dataset.shape
    options = BuildOptions(height=height, width=width, color=channels != 1, val_split=0.4)
    build(folder / "photos", folder / "out", options)
