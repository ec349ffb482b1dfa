"""Decodes, measures and fingerprints records."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.check.duplicates import Fingerprint, fingerprint
from ftjob.dataset.check.sheet import thumbnail
from ftjob.dataset.check.walk import walk
from ftjob.dataset.lmdb.datum import Buffer, RecordError, Shape, read_head
from ftjob.dataset.lmdb.decode import decode_strictly


@dataclass(frozen=True, slots=True)
class ImageSummary:
    """The measurements that a check keeps of an image."""

    shape: Shape
    """(H, W, C)."""
    encoded: bool
    sums: tuple[float, ...]
    """Sum of each channel's pixels."""
    brightest: int
    """Of all its values."""
    print: Fingerprint | None
    tile: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class RecordScan:
    """The result of scanning one record."""

    key: bytes
    label: int | None
    """None where it is no Datum."""
    found: ImageSummary | RecordError
    """Why it is no image, where it is none."""


@dataclass(frozen=True)
class Wanted:
    """The optional parts of a scan, which take time."""

    fingerprints: bool
    tiles: bool


def scan_all(location: Path, wanted: Wanted) -> Iterator[RecordScan]:
    """Yield the scan of every record, in key order. Raises BadDataError for an LMDB that cannot be read."""
    return walk(location, partial(_scan, wanted))


def _scan(wanted: Wanted, key: bytes, value: Buffer) -> RecordScan:
    label = None
    try:
        head = read_head(value)
        label = head.label
        data = value[head.data]
        image = decode_strictly(head, data)
    except RecordError as error:
        return RecordScan(key, label, error)
    height, width, channels = image.shape
    exact = hashlib.sha256(data).digest() + repr(image.shape).encode()
    return RecordScan(
        key,
        label,
        ImageSummary(
            (height, width, channels),
            head.encoded,
            cv2.sumElems(image)[:channels],
            int(image.max()),
            fingerprint(image, exact) if wanted.fingerprints else None,
            thumbnail(image) if wanted.tiles else None,
        ),
    )
