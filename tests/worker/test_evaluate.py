"""Laws of judging scores against labels."""

import subprocess
import sys

import numpy as np
import pytest

from ftjob.bundle.evaluate import evaluate, softmax_loss, top_k_accuracy
from ftjob.report.confusion import cells_of
from ftjob.runfolder.records.evaluation import Evaluation

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
    assert judged().confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]


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
    scores = np.array([[np.nan, 1]], np.float32)

    assert np.isnan(softmax_loss(scores, np.zeros(1, int)))
    assert evaluate(7, {"fc": scores}, np.zeros(1, np.float32), "fc", ("cat", "dog")).loss is None


@pytest.mark.parametrize("classes", [3, 200, 201, 1000])
def test_confusion_counts_every_image_once(classes: int):
    """As a matrix or as cells, it says of every pair how many images were given that label."""
    random = np.random.default_rng(classes)
    scores = random.normal(size=(500, classes)).astype(np.float32)
    labels = random.integers(0, classes, 500)
    names = tuple(map(str, range(classes)))
    judged = evaluate(7, {"fc": scores}, labels.astype(np.float32), "fc", names)

    expected = np.zeros((classes, classes), int)
    np.add.at(expected, (labels, scores.argmax(axis=1)), 1)
    found = np.zeros_like(expected)
    for label, given, images in cells_of(judged).tolist():
        found[label, given] += images
    assert (found == expected).all()
    assert isinstance(judged.confusion, list) == (classes <= 200)


@pytest.mark.slow
def test_thousands_of_classes_take_what_their_images_take():
    """Judging and writing 6,000 classes makes nothing with a place for every pair of them, and scores no
    second time."""
    code = """
import json, resource, sys, time
import subprocess
import sys

import numpy as np
from ftjob.report.confusion import cells_of
from ftjob.bundle.evaluate import evaluate

scores = np.random.default_rng(1).random((10_000, 6_000), dtype=np.float32)
labels = np.arange(10_000, dtype=np.float32) % 6_000
names = tuple(map(str, range(6_000)))
before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
text = json.dumps(evaluate(7, {"fc": scores}, labels, "fc", names).to_json())
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(time.process_time() - begin, used / 1024, len(text) / 1e6)
"""
    words = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    seconds, megabytes, written = map(float, words.split())

    assert seconds < 20
    assert megabytes < 200
    assert written < 2
