"""Finds pictures that are the same, or nearly, by their fingerprints, without comparing all with all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

NEAR_BITS = 4
"""Bits of 64 in which the perceptual hashes of a picture and its copy (saved again, scaled) may differ."""
NEAR_CORRELATION = 0.97
"""Least correlation of small versions of both: by the hash alone any two round shapes are equal."""
SMALL = 16
HASH_BITS = 64
ROWS = 128
"""Pictures that are compared with all others of their group at a time."""

Pairs = NDArray[np.int64]
"""(N, 2) places, the smaller first."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A picture reduced to what comparisons need."""

    exact: bytes
    """Digest of its data and shape: what is equal was built from the same picture."""
    hash: int
    """OpenCV's PHash, 64 bits."""
    small: NDArray[np.int8]
    """(SMALL * SMALL,) grey, without mean, scaled to the largest value; all 0 for a picture of one colour."""

    @property
    def blank(self) -> bool:
        return not self.small.any()


def fingerprint(image: NDArray[np.uint8], exact: bytes) -> Fingerprint:
    """Return the fingerprint of an image (H, W, C) in BGR."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.shape[2] == 3 else image[:, :, 0]
    hashed = cv2.img_hash.pHash(np.ascontiguousarray(grey))
    small = cv2.resize(grey, (SMALL, SMALL), interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    largest = float(np.abs(small).max())
    scaled = small * (127 / largest) if largest >= 1 else np.zeros_like(small)
    return Fingerprint(exact, int.from_bytes(hashed.tobytes(), "big"), scaled.astype(np.int8))


def exact_pairs(prints: Sequence[Fingerprint]) -> Pairs:
    """Return every picture that was there before, beside the first place it was at, but for blank ones."""
    first: dict[bytes, int] = {}
    seen = [(place, each.exact) for place, each in enumerate(prints) if not each.blank]
    pairs = [(first.setdefault(exact, place), place) for place, exact in seen]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.int64).reshape(-1, 2)


def near_pairs(prints: Sequence[Fingerprint]) -> Iterator[Pairs]:
    """Yield pairs of places of pictures that are nearly, but not exactly, the same; blank ones are left out.

    Two hashes that differ in at most NEAR_BITS bits agree in at least one of NEAR_BITS + 1 bands: only
    pictures that agree in a band are compared. No pair comes twice.
    """
    places = _distinct(prints)
    if len(places) < 2:
        return
    hashes = np.array([prints[place].hash for place in places], dtype=np.uint64)
    small = _unit([prints[place].small for place in places])
    bands = _bands(hashes)
    for number, band in enumerate(bands):
        for group in _equal(band):
            for pairs in _close(group, hashes, small, bands[:number]):
                yield np.array(places)[np.sort(pairs, axis=1)]


def _distinct(prints: Sequence[Fingerprint]) -> list[int]:
    """The first place of every picture that is not blank."""
    first: dict[bytes, int] = {}
    for place, each in enumerate(prints):
        if not each.blank:
            first.setdefault(each.exact, place)
    return list(first.values())


def _unit(small: list[NDArray[np.int8]]) -> NDArray[np.float32]:
    values = np.stack(small).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def _bands(hashes: NDArray[np.uint64]) -> list[NDArray[np.uint64]]:
    edges = [HASH_BITS * band // (NEAR_BITS + 1) for band in range(NEAR_BITS + 2)]
    return [(hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1) for low, high in pairwise(edges)]


def _equal(band: NDArray[np.uint64]) -> Iterator[NDArray[np.intp]]:
    """Groups of more than one place with the same value."""
    order = np.argsort(band, kind="stable")
    starts = np.flatnonzero(np.diff(band[order])) + 1
    for group in np.split(order, starts):
        if len(group) > 1:
            yield group


def _close(
    group: NDArray[np.intp],
    hashes: NDArray[np.uint64],
    small: NDArray[np.float32],
    earlier: list[NDArray[np.uint64]],
) -> Iterator[Pairs]:
    """Near pairs inside a group, but for those that an earlier band has brought together already."""
    for start in range(0, len(group), ROWS):
        rows, others = group[start : start + ROWS], group[start:]
        near = np.bitwise_count(hashes[rows, None] ^ hashes[others]) <= NEAR_BITS
        near &= np.arange(len(others)) > np.arange(len(rows))[:, None]
        for band in earlier:
            near &= band[rows, None] != band[others]
        if near.any():
            near &= small[rows] @ small[others].T >= NEAR_CORRELATION
            left, right = np.nonzero(near)
            yield np.stack([rows[left], others[right]], axis=1)
