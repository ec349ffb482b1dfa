"""Decides the split and position of each image: pure, and the same on every machine."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.folder import TRAIN, VAL
from ftjob.dataset.source.listing import Listing
from ftjob.errors import BadDataError

LEAST_CLASSES = 2
LEAST_IMAGES = 2
"""Of a class: a single image can be trained on or tested on, not both."""


@dataclass(frozen=True)
class Part:
    """The records of one LMDB to be: places in a listing, in the order they are written."""

    split: str
    listing: Listing
    places: NDArray[np.int64]


def shuffled(listing: Listing, seed: int, split: str) -> Part:
    """Order all images of a listing by a hash of seed and path: new images do not disturb the old."""
    return Part(split, listing, np.argsort(_hashes(listing.paths, seed, "order"), kind="stable"))


def split_stratified(
    listing: Listing, share: float, seed: int, known: dict[str, str] | None = None
) -> tuple[Part, Part]:
    """Move a share of every class to val: at least one image of each, never all.

    Images in `known`, path to split, stay where an earlier build put them, so that no later run is tested on
    what an earlier one was trained on.
    """
    ranks = _hashes(listing.paths, seed, "split")
    labels = np.asarray(listing.labels)
    before = np.array([_ORDER[(known or {}).get(path, "")] for path in listing.paths], dtype=np.int64)
    to_val = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        wanted = min(max(1, round(len(members) * share)), len(members) - 1)
        ranked = members[np.lexsort((ranks[members], before[members]))]
        stays = int(np.count_nonzero(before[members] == _ORDER[VAL]))
        to_val[ranked[: max(wanted, stays)]] = True
        to_val[members[before[members] == _ORDER[TRAIN]]] = False
    whole = shuffled(listing, seed, TRAIN).places
    return Part(TRAIN, listing, whole[~to_val[whole]]), Part(VAL, listing, whole[to_val[whole]])


_ORDER = {VAL: 0, "": 1, TRAIN: 2}


def check_counts(listing: Listing, where: str) -> None:
    """Raise BadDataError for classes that training cannot use: without images, or with one."""
    counts = np.bincount(np.asarray(listing.labels), minlength=len(listing.classes))
    first = int(np.flatnonzero(counts)[0])
    if first > 0:
        raise BadDataError(f"{where}: labels begin at {first}: number the classes from 0")
    if len(counts) < LEAST_CLASSES:
        raise BadDataError(
            f"{where}: all images are of one class ({listing.classes[0]}), and a classifier needs two: add "
            "images of another"
        )
    for label, count in enumerate(counts):
        if count < LEAST_IMAGES:
            images = "one image only" if count else "no images"
            raise BadDataError(
                f"{where}: class {label} ({listing.classes[label]}) has {images}: add some, "
                "or leave the class out"
            )


def _hashes(paths: Sequence[str], seed: int, purpose: str) -> NDArray[np.uint64]:
    start = f"{seed} {purpose} ".encode()
    encoded = (path.encode(errors="surrogateescape") for path in paths)
    digests = b"".join(hashlib.sha256(start + each).digest()[:8] for each in encoded)
    return np.frombuffer(digests, dtype=np.uint64)
