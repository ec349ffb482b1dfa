"""Which pictures are the same, or nearly: from a fingerprint of each, without comparing all with all."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

NEAR_BITS = 4
"""Bits of 64 in which the perceptual hashes of a picture and its copy (saved again, scaled) may differ."""
NEAR_CORRELATION = 0.97
"""What small versions of both must have in common: the hash alone takes any two round shapes for one."""
SMALL = 16
HASH_BITS = 64


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is kept of a picture."""

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


def exact_groups(prints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return the places of equal pictures, each group in order."""
    places: dict[bytes, list[int]] = defaultdict(list)
    for place, one in enumerate(prints):
        places[one.exact].append(place)
    return [group for group in places.values() if len(group) > 1]


def near_pairs(prints: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Yield pairs of places of pictures that are nearly, but not exactly, the same; blank ones are left out.

    Two hashes that differ in at most NEAR_BITS bits agree in at least one of NEAR_BITS + 1 bands: only
    pictures that agree in a band are compared.
    """
    places = _distinct(prints)
    if len(places) < 2:
        return
    hashes = np.array([prints[place].hash for place in places], dtype=np.uint64)
    small = _unit([prints[place].small for place in places])
    bands = _bands(hashes)
    for number, band in enumerate(bands):
        for group in _equal(band):
            for left, right in _close(group, hashes, small, bands[:number]):
                yield tuple(sorted((places[left], places[right])))  # type: ignore[misc]


def _distinct(prints: Sequence[Fingerprint]) -> list[int]:
    """The first place of every picture that is not blank."""
    first: dict[bytes, int] = {}
    for place, one in enumerate(prints):
        if not one.blank:
            first.setdefault(one.exact, place)
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
) -> Iterator[tuple[int, int]]:
    """Near pairs inside a group, but for those that an earlier band has brought together already."""
    for at, left in enumerate(group[:-1]):
        others = group[at + 1 :]
        near = np.bitwise_count(hashes[others] ^ hashes[left]) <= NEAR_BITS
        for band in earlier:
            near &= band[others] != band[left]
        for right in others[near]:
            if small[left] @ small[right] >= NEAR_CORRELATION:
                yield int(left), int(right)
