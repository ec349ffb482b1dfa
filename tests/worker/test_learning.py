"""When a run is not worth its money: laws of what is judged from tests alone."""

import math

import pytest

from ftjob.worker.learning import Score, chance, learns, stale_tests

EVEN = chance([50, 50, 50, 50])


def scored(*accuracies: float, loss: float = 1.4, rates: tuple[float, ...] = ()) -> list[Score]:
    return [
        Score(10 * number, accuracy, loss, rates[number] if rates else 0.01)
        for number, accuracy in enumerate(accuracies)
    ]


def test_chance_is_the_largest_class_and_the_entropy_of_the_shares() -> None:
    """Four classes of 50: 25 %, and two standard deviations (6 points) of luck; ln 4 of loss."""
    assert pytest.approx(0.25 + 2 * math.sqrt(0.25 * 0.75 / 200)) == EVEN.accuracy
    assert pytest.approx(math.log(4)) == EVEN.loss


def test_a_class_without_images_changes_nothing() -> None:
    """num_output may be larger than what is in the validation data."""
    assert chance([50, 50, 50, 50, 0]) == EVEN


@pytest.mark.parametrize(
    ("tests", "wanted"),
    [
        (scored(0.24, 0.25, 0.26), False),
        (scored(0.24, 0.25, 0.40), True),
        (scored(0.40, 0.25, 0.25), True),
        ([*scored(0.25, 0.25, loss=1.2), Score(30, 0.25, 1.1)], True),
        ([*scored(0.25, 0.25, loss=1.2), Score(30, 0.25, 1.195)], False),
        (scored(0.25, 0.25, loss=math.inf), False),
        (scored(0.25), True),
        ([], True),
    ],
)
def test_who_beats_chance_learns(tests: list[Score], wanted: bool) -> None:
    """By accuracy beyond luck, or by a loss below chance's and the first one's; before any test, maybe."""
    assert learns(tests, EVEN) is wanted


def test_naming_the_largest_class_is_not_learning() -> None:
    """90 % accuracy where 90 % of the images are of one class."""
    assert not learns(scored(0.9, 0.9, loss=0.4), chance([90, 10]))


def test_a_better_test_begins_the_count_again() -> None:
    """Equal is not better."""
    assert stale_tests(scored(0.5, 0.6, 0.6, 0.55)) == 2
    assert stale_tests(scored(0.5, 0.6, 0.6, 0.61)) == 0
    assert stale_tests([]) == 0


def test_a_step_of_the_learning_rate_begins_the_count_again() -> None:
    """A tenth is a step; a rate that glides down is none until it has halved."""
    flat = (0.5, 0.5, 0.5, 0.5)

    assert stale_tests(scored(*flat, rates=(0.01, 0.01, 0.001, 0.001))) == 1
    assert stale_tests(scored(*flat, rates=(0.010, 0.009, 0.008, 0.007))) == 3
    assert stale_tests(scored(*flat, rates=(0.010, 0.007, 0.005, 0.004))) == 1
