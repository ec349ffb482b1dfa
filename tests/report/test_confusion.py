"""Laws of what is shown of a confusion matrix."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.report.confusion import IN_PART, READABLE, most_confused, readable
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from tests.report.folders import evaluation_of


def evaluation(confusion: list[list[int]]) -> Evaluation:
    results = tuple(ClassResult(label, f"c{label}", 1, None, None) for label in range(len(confusion)))
    return Evaluation(1, 1, 0.5, None, None, {}, results, confusion)


@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_all_pairs_together_are_all_that_is_wrong(confusion: list[list[int]]):
    """Each pair once, none right, the most images first; classes without images have none."""
    pairs = most_confused(evaluation(confusion), 100)
    matrix = np.array(confusion)

    assert sum(pair.images for pair in pairs) == matrix.sum() - np.trace(matrix)
    assert len({(pair.label, pair.predicted) for pair in pairs}) == len(pairs)
    assert [pair.images for pair in pairs] == sorted((pair.images for pair in pairs), reverse=True)
    assert all(pair.label != pair.predicted and 0 < pair.share <= 1 for pair in pairs)


def test_of_equals_the_larger_share_comes_first():
    """Three of four images say more than three of a hundred."""
    pairs = most_confused(evaluation([[97, 3, 0], [0, 9, 0], [0, 3, 1]]), 2)

    assert [(pair.label, pair.of) for pair in pairs] == [("c2", 4), ("c0", 100)]


@pytest.mark.parametrize("count", [1, 2, READABLE, READABLE + 1, 100])
def test_a_row_has_all_images_of_its_class(count: int):
    """What is not shown of a large matrix is in its last column."""
    judged = evaluation_of([f"c{number}" for number in range(count)])
    shown = readable(judged)

    assert len(shown.names) == (count if count <= READABLE else IN_PART)
    assert (shown.others is None) == (count <= READABLE)
    images = {each.name: each.images for each in judged.classes}
    for index, (name, row) in enumerate(zip(shown.names, shown.counts, strict=True)):
        assert sum(row) + (shown.others or [0] * count)[index] == images[name] == shown.images[index]


def test_the_part_shown_has_the_pairs_most_confused():
    """As many of the first pairs as have room."""
    judged = evaluation_of([f"c{number}" for number in range(100)])
    shown = set(readable(judged).names)

    for pair in most_confused(judged, IN_PART // 2):
        assert {pair.label, pair.predicted} <= shown
