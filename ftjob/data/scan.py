"""Every record of an LMDB looked at once: decoded, measured and fingerprinted by several threads."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import lmdb
import numpy as np
from numpy.typing import NDArray

from ftjob.data.datum import Buffer, read_head
from ftjob.data.decode import decode_strictly
from ftjob.data.duplicates import Fingerprint, fingerprint
from ftjob.data.read import opened
from ftjob.data.sheet import thumbnail
from ftjob.data.threads import THREADS, in_order
from ftjob.errors import BadDataError

CHUNK = 32


@dataclass(frozen=True, slots=True)
class Look:
    """What one record showed."""

    key: str
    label: int
    problem: str
    """Why it is no image; empty where it is one."""
    shape: tuple[int, ...] = ()
    """(H, W, C)."""
    sums: tuple[float, ...] = ()
    """Sum of each channel's pixels."""
    print: Fingerprint | None = None
    tile: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Wanted:
    """What is worth its time."""

    fingerprints: bool
    tiles: bool


def look_at_all(location: Path, wanted: Wanted) -> Iterator[Look]:
    """Yield what every record shows, in key order. Raises BadDataError for an LMDB that cannot be read."""
    with opened(location) as env, env.begin() as transaction, transaction.cursor() as cursor:
        keys = cursor.iternext(values=False)
        chunks = iter(lambda: [bytes(key) for key in islice(keys, CHUNK)], [])
        calls = (partial(_look_at, env, chunk, wanted) for chunk in chunks)
        for looks in in_order(calls, ahead=2 * THREADS):
            yield from looks


def _look_at(env: lmdb.Environment, keys: list[bytes], wanted: Wanted) -> list[Look]:
    with env.begin(buffers=True) as transaction:
        return [
            _look(key.decode(errors="backslashreplace"), transaction.get(key, b""), wanted) for key in keys
        ]


def _look(key: str, value: Buffer, wanted: Wanted) -> Look:
    label = -1
    try:
        head = read_head(value, "it")
        label = head.label
        data = value[head.data]
        image = decode_strictly(head, data, "it")
    except BadDataError as error:
        what = str(error).removeprefix("it: ").rpartition(": ")[0]  # without the place and the remedy
        return Look(key, label, what)
    exact = hashlib.sha256(data).digest() + repr(image.shape).encode()
    return Look(
        key,
        label,
        "",
        image.shape,
        cv2.sumElems(image)[: image.shape[2]],
        fingerprint(image, exact) if wanted.fingerprints else None,
        thumbnail(image) if wanted.tiles else None,
    )
