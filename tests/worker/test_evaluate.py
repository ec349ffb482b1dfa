"""Laws of judging scores against labels."""

import numpy as np
import pytest

from ftjob.worker.evaluate import Evaluation, evaluate, softmax_loss, top_k_accuracy

SCORES = np.array([[3, 1, 0], [0, 2, 1], [2, 1, 0], [0, 0, 5]], dtype=np.float32)
LABELS = np.array([0, 1, 1, 2], dtype=np.float32)
NAMES = ("cat", "dog", "owl")


def judged(scores: np.ndarray = SCORES) -> Evaluation:
    return evaluate(7, {"fc": scores}, LABELS, "fc", NAMES)


def test_accuracy_is_the_share_of_right_answers():
    """Three of four highest scores are at their label."""
    assert judged().accuracy == 0.75


def test_confusion_counts_rows_by_label():
    """confusion[label][predicted]: the dog that was called a cat stands in the dog's row."""
    assert judged().confusion == ((1, 0, 0), (1, 1, 0), (0, 0, 1))


def test_recall_and_precision_per_class():
    """The dog was found once of twice; of two called cats, one was."""
    classes = {result.name: result for result in judged().classes}

    assert classes["dog"].recall == 0.5
    assert classes["cat"].precision == 0.5


def test_a_class_without_images_has_no_recall():
    """Nothing to divide by is None, not zero and not NaN."""
    absent = evaluate(7, {"fc": SCORES}, np.zeros(4, np.float32), "fc", NAMES).classes[2]

    assert absent.recall is None
    assert absent.images == 0


def test_every_head_is_judged():
    """An auxiliary head's accuracy stands beside the main one's."""
    both = evaluate(7, {"fc": SCORES, "aux": -SCORES}, LABELS, "fc", NAMES)

    assert both.heads == {"fc": 0.75, "aux": 0.0}


def test_scores_may_come_from_a_convolution():
    """A convolutional head's (N, K, 1, 1) is judged as (N, K)."""
    assert judged(SCORES.reshape(4, 3, 1, 1)) == judged()


def test_top_k_counts_scores_above_the_label():
    """Top-2 forgives the one image whose label came second."""
    assert top_k_accuracy(SCORES, LABELS.astype(int), 2) == 1.0


def test_loss_is_the_mean_cross_entropy():
    """Equal scores over K classes cost ln K, however large they are."""
    assert softmax_loss(np.full((5, 3), 1e4, np.float32), np.zeros(5, int)) == pytest.approx(np.log(3))


def test_loss_of_scores_that_are_no_numbers_is_nan():
    """A diverged net's loss is NaN, and no warning is raised on the way."""
    assert np.isnan(softmax_loss(np.array([[np.nan, 1]], np.float32), np.zeros(1, int)))
