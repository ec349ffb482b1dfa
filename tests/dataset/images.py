"""Pictures made for tests, and LMDBs as others write them."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import lmdb
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from ftjob.dataset.lmdb.datum import encode_datum


def photo(seed: int, height: int = 60, width: int = 80) -> NDArray[np.uint8]:
    """A smooth colour picture (H, W, 3) in BGR, another for every seed."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    return simplejpeg.encode_jpeg(pixels, quality=92, colorspace="BGR", colorsubsampling="420")


def file_of(image: Image.Image, kind: str, **how: object) -> bytes:
    """The bytes of a file that Pillow saves."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def rgb(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))


def write_photos(folder: Path, counts: Mapping[str, int], first: int = 0, **size: int) -> Path:
    """Write JPEGs into a folder per class, `first` counts their names and contents on; return the folder."""
    for number, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(first, first + count):
            (folder / name / f"{index:03d}.jpg").write_bytes(jpeg(photo(1000 * number + index, **size)))
    return folder


def raw(label: int, pixels: NDArray[np.uint8]) -> bytes:
    """A record of plain pixels (H, W, C) in BGR."""
    height, width, channels = pixels.shape
    return encode_datum(
        pixels.transpose(2, 0, 1).tobytes(), label, channels=channels, height=height, width=width
    )


def encoded(label: int, pixels: NDArray[np.uint8], kind: str = ".png") -> bytes:
    """A record of an image file, without its size, as convert_imageset writes it."""
    data = cv2.imencode(kind, pixels)[1].tobytes()
    return encode_datum(data, label, channels=0, height=0, width=0, encoded=True)


def dataset(folder: Path, values: Iterable[bytes]) -> Path:
    """Write records under the keys 000, 001 and so on; return the folder."""
    return write_lmdb(folder, [(b"%03d" % at, value) for at, value in enumerate(values)])


def write_lmdb(folder: Path, records: Iterable[tuple[bytes, bytes]]) -> Path:
    """Write records as they are given; return the folder."""
    folder.mkdir(parents=True)
    with lmdb.open(str(folder), map_size=1 << 28) as env, env.begin(write=True) as transaction:
        for key, value in records:
            transaction.put(key, value)
    return folder


def read_lmdb(folder: Path) -> list[tuple[bytes, bytes]]:
    """All records as they lie there."""
    with lmdb.open(str(folder), readonly=True, lock=False) as env, env.begin() as transaction:
        return list(transaction.cursor())
