"""Which image goes where."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from ftjob.dataset.build.order import Part, check_counts, shuffled, split_stratified
from ftjob.dataset.source.listing import Listing
from ftjob.dataset.source.tree import Folder
from ftjob.errors import BadDataError


def listing(*counts: int, first: int = 0) -> Listing:
    """A listing with so many images of each class."""
    paths = [f"{label}/{at}" for label, count in enumerate(counts) for at in range(first, first + count)]
    labels = [int(path.split("/")[0]) for path in paths]
    classes = tuple(str(label) for label in range(len(counts)))
    return Listing(Folder(Path()), classes, paths, labels, [""] * len(paths))


def paths(part: Part) -> list[str]:
    return [part.listing.paths[place] for place in part.places]


def test_every_class_is_split_by_its_share() -> None:
    """A quarter of each class goes to val, and nothing goes to both."""
    train, val = split_stratified(listing(40, 8), 0.25, seed=1)

    assert np.bincount([int(path[0]) for path in paths(val)]).tolist() == [10, 2]
    assert sorted(paths(train) + paths(val)) == sorted(listing(40, 8).paths)


def test_small_classes_are_in_both() -> None:
    """Two images are enough to be learned and judged, whatever the share."""
    for share in (0.01, 0.99):
        train, val = split_stratified(listing(2, 2), share, seed=1)
        assert (len(train.places), len(val.places)) == (2, 2)


def test_records_are_shuffled_and_the_seed_decides() -> None:
    """Caffe reads in order and never shuffles: classes must not come one after the other."""
    first, again, other = (paths(shuffled(listing(50, 50), seed, "train")) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    changes = sum(a[0] != b[0] for a, b in pairwise(first))
    assert changes > 30


def test_images_stay_in_their_split() -> None:
    """When 9 000 images become 36 000, none that was trained on is judged by later."""
    train, val = split_stratified(listing(40, 40), 0.25, seed=1)
    known = dict.fromkeys(paths(train), "train") | dict.fromkeys(paths(val), "val")

    train2, val2 = split_stratified(listing(160, 160), 0.25, seed=1, known=known)

    assert set(paths(train)) <= set(paths(train2))
    assert set(paths(val)) <= set(paths(val2))
    assert len(val2.places) == 80


def test_a_class_with_one_image() -> None:
    """One image can be learned by heart and never be judged."""
    with pytest.raises(BadDataError, match=r"photos: class 1 \(1\) has one image only: add some, or leave"):
        check_counts(listing(3, 1), "photos")


def test_labels_with_a_gap() -> None:
    """A class without images is reported, whether a list forgot it or numbered past it."""
    with pytest.raises(BadDataError, match=r"list: class 1 \(1\) has no images"):
        check_counts(listing(3, 0, 3), "list")


def test_labels_from_one() -> None:
    """Classes that are numbered from 1 are the classic mistake."""
    with pytest.raises(BadDataError, match="list: labels begin at 1: number the classes from 0"):
        check_counts(listing(0, 3, 3), "list")
