"""The order of records: long runs of one label are found, and chance is not taken for them."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, permutations
from math import exp
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.check.check import check
from ftjob.dataset.facts import DatasetFacts, LongRuns
from ftjob.dataset.findings import order_findings
from ftjob.dataset.shuffled import Runs, log_chance
from tests.dataset.images import dataset, photo, raw


def long_runs(labels: Sequence[int]) -> LongRuns | None:
    """What is found in records with these labels, in this order."""
    runs = Runs()
    for place, label in enumerate(labels):
        runs.add(label, b"%03d" % place)
    return runs.long()


def warned(labels: Sequence[int]) -> bool:
    facts = DatasetFacts(
        location="train",
        records=len(labels),
        channels=3,
        height=8,
        width=8,
        histogram=Counter(labels),
        encoded=False,
        digest="",
        labels=(),
        mean=(),
        long_runs=long_runs(labels),
    )
    return bool(order_findings(facts))


def shuffled(counts: Sequence[int], seed: int) -> list[int]:
    labels = np.repeat(np.arange(len(counts)), counts)
    return [int(label) for label in np.random.default_rng(seed).permutation(labels)]


@pytest.mark.parametrize("counts", [(4, 4), (7, 1), (3, 2, 2), (2, 6)])
def test_the_bound_is_one(counts: tuple[int, ...]) -> None:
    """In all orders of some labels, no run is more frequent than its bound says."""
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    orders = set(permutations(labels))

    for label, count in enumerate(counts):
        for length in range(1, count + 1):
            having = sum(
                any(own == label and len(list(run)) >= length for own, run in groupby(order))
                for order in orders
            )
            assert having / len(orders) <= exp(log_chance(length, count, len(labels))) * (1 + 1e-9)
        assert exp(log_chance(count + 1, count, len(labels))) == 0


BALANCED, IMBALANCED, MANY, FEW, TINY = (50, 50, 50), (2000, 3, 40), (20,) * 100, (5, 5), (1, 1)


@pytest.mark.parametrize("counts", [BALANCED, IMBALANCED, MANY, FEW, TINY, (3000, 3000), (30,)])
def test_chance_is_not_warned_of(counts: tuple[int, ...]) -> None:
    """Whatever the classes, a shuffled order passes: here 100 of each, where less than 0.01 might fail."""
    assert not any(warned(shuffled(counts, seed)) for seed in range(100))


@given(st.lists(st.integers(12, 60), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_a_sorted_order_is_warned_of(counts: list[int], random) -> None:
    """Whichever class comes first."""
    classes = [[label] * count for label, count in enumerate(counts)]
    random.shuffle(classes)

    assert warned([label for labels in classes for label in labels])


@settings(max_examples=30)
@given(st.lists(st.integers(40, 80), min_size=2, max_size=6), st.integers(0, 99))
def test_a_class_that_was_appended_is_warned_of(counts: list[int], seed: int) -> None:
    """The others may be as shuffled as they like."""
    assert warned([*shuffled(counts, seed), *[len(counts)] * 40])


def test_copies_side_by_side_are_not_warned_of() -> None:
    """Each picture beside its mirrored self: every batch still has all classes."""
    assert not any(
        warned([label for label in shuffled((200, 200, 200), seed) for _ in range(2)]) for seed in range(20)
    )


def test_the_longest_run_is_named() -> None:
    """With its label and its first record, and with how many records lie in such runs."""
    labels = [*[1] * 30, *shuffled((20, 20, 20), 1), *[3] * 40]

    assert long_runs(labels) == LongRuns(70, 40, 3, "090")


def test_long_runs_in_an_lmdb_are_reported(tmp_path: Path) -> None:
    """With what to do; what `ftjob data build` makes is shuffled."""
    order = [label for label in range(3) for _ in range(8)]
    found = check(dataset(tmp_path / "sorted", [raw(label, photo(at)) for at, label in enumerate(order)]))

    assert [finding.message for finding in found.findings] == [
        "24 of 24 records lie in long runs of one label (label 0 comes 8 times in a row, from record 000 "
        "on), and Caffe never shuffles: write them in random order, as `ftjob data build` and "
        "`convert_imageset -shuffle` do"
    ]


def test_what_is_built_is_shuffled(tmp_path: Path, photos: Path) -> None:
    """A look at the records finds no long runs in it."""
    build(photos, tmp_path / "out", BuildOptions(8, 8))

    assert check(tmp_path / "out" / "train").train.long_runs is None
