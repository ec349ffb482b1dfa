"""Laws of intervals, and the examples of the papers that they are from."""

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.report.compare.intervals import Interval, PairedCounts, unpaired, wilson
from ftjob.runfolder.records.acceptance import Verdict

counts = st.builds(PairedCounts, *[st.integers(0, 400)] * 4).filter(lambda each: each.images > 0)


@pytest.mark.parametrize(
    ("found", "published"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, method 3.
        (wilson(81, 263), (0.2553, 0.3662)),
        (wilson(15, 148), (0.0624, 0.1605)),
        (wilson(0, 20), (0.0, 0.1611)),
        (wilson(1, 29), (0.0061, 0.1718)),
        # Newcombe 1998, 873-890, method 10.
        (unpaired(56, 70, 48, 80), (0.0524, 0.3339)),
        (unpaired(9, 10, 3, 10), (0.1705, 0.8090)),
        # Newcombe 1998, 2635-2650, method 10.
        (PairedCounts(36, 12, 2, 0).interval(), (0.0569, 0.3404)),
        (PairedCounts(14, 5, 0, 22).interval(), (0.0115, 0.2265)),
    ],
)
def test_published_examples_are_met(found: Interval, published: tuple[float, float]) -> None:
    """To the four digits that are printed."""
    assert found == pytest.approx(published, abs=5e-5)


@given(counts)
def test_an_interval_is_around_what_was_seen_and_turns_with_the_runs(seen: PairedCounts) -> None:
    """The earlier run against this one: the same, mirrored; so is the verdict."""
    turned = PairedCounts(seen.both, seen.lost, seen.gained, seen.neither)
    low, high = seen.interval()

    assert -1 <= low <= seen.difference <= high <= 1
    assert turned.difference == -seen.difference
    assert turned.interval() == pytest.approx((-high, -low))
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER, Verdict.SAME: Verdict.SAME}
    assert Verdict.by(*turned.interval()) == opposite[Verdict.by(low, high)]


@given(st.integers(1, 10_000).flatmap(lambda images: st.tuples(st.integers(0, images), st.just(images))))
def test_an_accuracy_is_in_its_interval(seen: tuple[int, int]) -> None:
    """Which is between 0 and 1, and narrower with ten times the images."""
    (right, images), (low, high) = seen, wilson(*seen)

    assert 0 <= low <= right / images <= high <= 1
    assert wilson(10 * right, 10 * images).high - wilson(10 * right, 10 * images).low < high - low


@pytest.mark.parametrize("images", [20, 50, 300])
def test_an_interval_covers_what_is_true(images: int) -> None:
    """In 95 of 100 samples on average over all accuracies, and in no case in fewer than 80."""
    covered = []
    intervals = [wilson(right, images) for right in range(images + 1)]
    for percent in range(1, 100):
        share = percent / 100
        covered.append(
            sum(
                comb(images, right) * share**right * (1 - share) ** (images - right)
                for right, (low, high) in enumerate(intervals)
                if low <= share <= high
            )
        )

    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.01)
    assert min(covered) > 0.8


def test_a_paired_difference_covers_what_is_true() -> None:
    """In 93 of 100 samples of 24 images at least, with little and much agreement."""
    images = 24
    samples = [
        (gained, lost, both, images - gained - lost - both)
        for gained in range(images + 1)
        for lost in range(images + 1 - gained)
        for both in range(images + 1 - gained - lost)
    ]
    for shares in ((0.05, 0.05, 0.6, 0.3), (0.2, 0.05, 0.6, 0.15), (0.3, 0.1, 0.3, 0.3)):
        covered = 0.0
        for gained, lost, both, neither in samples:
            low, high = PairedCounts(both, gained, lost, neither).interval()
            if low <= shares[0] - shares[1] <= high:
                ways = comb(images, gained) * comb(images - gained, lost) * comb(both + neither, both)
                chance = ways * shares[0] ** gained * shares[1] ** lost
                covered += chance * shares[2] ** both * shares[3] ** neither
        assert 0.93 <= covered <= 0.999, shares


def test_a_little_on_few_images_shows_nothing() -> None:
    """One image more of 300 is 0.3 points; on 300,000 images they are something."""
    assert Verdict.by(*PairedCounts(250, 1, 0, 49).interval()) is Verdict.SAME
    assert Verdict.by(*PairedCounts(250_000, 1000, 0, 49_000).interval()) is Verdict.BETTER
