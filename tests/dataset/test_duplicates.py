"""The same picture twice, exactly or nearly."""

from itertools import combinations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ftjob.dataset.check.duplicates import NEAR_BITS, Fingerprint, exact_pairs, fingerprint, near_pairs
from tests.dataset.images import jpeg, photo


def printed(image: NDArray[np.uint8]) -> Fingerprint:
    return fingerprint(image, image.tobytes())


def again(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture as somebody saved it again: smaller, back to its size, as a JPEG, a little brighter."""
    small = cv2.resize(image, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    decoded = cv2.imdecode(np.frombuffer(jpeg(back), np.uint8), cv2.IMREAD_COLOR)
    return cv2.convertScaleAbs(decoded, alpha=1.0, beta=6)


def near(prints: list[Fingerprint]) -> list[tuple[int, ...]]:
    return sorted(tuple(pair) for pairs in near_pairs(prints) for pair in pairs.tolist())


def test_equal_pictures_are_found() -> None:
    """Every copy comes once, beside the first place of its picture."""
    prints = [printed(photo(seed)) for seed in (1, 2, 1, 3, 2, 1)]

    assert exact_pairs(prints).tolist() == [[0, 2], [1, 4], [0, 5]]


def test_pictures_saved_again_are_found() -> None:
    """Copies that were scaled, brightened and saved as JPEG are near; other pictures are not."""
    originals = [photo(seed, 200, 260) for seed in range(40)]
    prints = [printed(image) for image in originals + [again(image) for image in originals]]

    assert near(prints) == [(at, at + 40) for at in range(40)]


def test_grey_pictures_are_found_too() -> None:
    """One channel is enough."""
    grey = photo(1, 200, 260)[:, :, 1:2]
    copy = again(np.repeat(grey, 3, axis=2))[:, :, :1]

    assert near([printed(grey), printed(copy)]) == [(0, 1)]


def test_a_picture_of_one_colour_is_like_no_other() -> None:
    """Blank pictures, of which there may be thousands, make no pairs."""
    blank = [printed(np.full((60, 80, 3), grey, dtype=np.uint8)) for grey in (0, 1, 128, 255)]

    assert all(picture.blank for picture in blank)
    assert near(blank) == []


def test_bands_find_what_comparing_all_finds() -> None:
    """No pair is missed, and none reported twice, that comparing each with each would give."""
    chance = np.random.default_rng(5)
    small = np.ones(256, dtype=np.int8)
    base = [int(value) for value in chance.integers(0, 2**63, 30)]
    flipped = [value ^ sum(1 << int(bit) for bit in chance.choice(64, 5, replace=False)) for value in base]
    nearer = [value ^ sum(1 << int(bit) for bit in chance.choice(64, 4, replace=False)) for value in base]
    prints = [Fingerprint(b"%d" % at, value, small) for at, value in enumerate(base + flipped + nearer)]

    expected = [
        (first, other)
        for first, other in combinations(range(90), 2)
        if (prints[first].hash ^ prints[other].hash).bit_count() <= NEAR_BITS
    ]
    assert near(prints) == expected
    assert len(expected) >= 30


def test_thousands_of_like_pictures_are_compared_in_time() -> None:
    """A dataset of the frames of one scene, each like each, ends in seconds and finds every pair."""
    small = np.ones(256, dtype=np.int8)
    prints = [Fingerprint(b"%d" % at, 1 << (at % 2), small) for at in range(2000)]

    assert sum(len(pairs) for pairs in near_pairs(prints)) == 2000 * 1999 // 2


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_to_compare(count: int) -> None:
    """One picture has no copy."""
    assert near([printed(photo(1))] * count) == []
