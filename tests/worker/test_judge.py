"""Laws of what a result must reach."""

import pytest

from ftjob.bundle.evaluate import evaluate
from ftjob.plan.inputs import Baseline
from ftjob.runfolder.records.predictions import Evaluated, Prediction
from ftjob.worker.accept.judge import judge
from jobspec.spec import Accept
from tests.worker.test_evaluate import LABELS, NAMES, SCORES


def result(wrong: int = 0, of: int = 300) -> Evaluated:
    """Answers to so many images: the first third is wrong, and so are the last `wrong`."""
    evaluation = evaluate(7, {"fc": SCORES}, LABELS, "fc", NAMES)
    found = {str(at): Prediction(str(at), 0, int(not of // 3 <= at < of - wrong), 0.5) for at in range(of)}
    return Evaluated(evaluation, found)


def baseline(wrong: int = 0, of: int = 300) -> Baseline:
    """A run with those answers."""
    return Baseline("cats/0123456789", result(wrong, of))


@pytest.mark.parametrize(
    ("accept", "met"),
    [
        (Accept(), []),
        (Accept(accuracy=0.75), [True]),
        (Accept(accuracy=0.76), [False]),
        (Accept(per_class=0.5), [True]),
        (Accept(per_class=0.51), [False]),
        (Accept(accuracy=0.75, per_class=0.51), [True, False]),
    ],
)
def test_numbers_are_reached_or_not(accept: Accept, met: list[bool]) -> None:
    """Three of four images are right, and one dog of two."""
    judged = judge(accept, result(), None)

    assert [each.met for each in judged.requirements] == met
    assert judged.is_met == all(met)


def test_a_sentence_has_what_is_required_and_what_was_reached() -> None:
    """The weakest class by its name."""
    judged = judge(Accept(accuracy=0.8, per_class=0.9), result(), None)

    assert judged.failures == (
        "accept.accuracy: 0.8000 is required, 0.7500 was reached; "
        "accept.per_class: 0.9000 is required, dog reached 0.5000 of 2 images"
    )


@pytest.mark.parametrize(
    ("wrong_before", "margin", "verdict", "met"),
    [
        (0, 0.0, "same", False),
        (1, 0.0, "same", False),
        (30, 0.0, "better", True),
        (0, 0.05, "same", True),
        (30, -0.2, "better", False),
        (60, -0.1, "better", True),
    ],
)
def test_a_margin_moves_what_is_enough(wrong_before: int, margin: float, verdict: str, met: bool) -> None:
    """One image more of 300 promotes nothing; thirty do, but not where 20 points are asked for."""
    accept = Accept(not_below="runs/cats/0123456789", margin=margin)
    [judged] = judge(accept, result(), baseline(wrong_before)).requirements

    assert (judged.verdict, judged.met) == (verdict, met)
    assert "on the same 300 images" in judged.message


def test_a_worse_run_is_not_accepted_without_a_margin_that_allows_it() -> None:
    """Thirty images fewer are ten points."""
    accept = Accept(not_below="runs/cats/0123456789", margin=0.05)
    [judged] = judge(accept, result(wrong=30), baseline()).requirements

    assert (judged.verdict, judged.met) == ("worse", False)


def test_what_cannot_be_compared_is_not_accepted() -> None:
    """Nothing that is required passes because it could not be looked at."""
    accept = Accept(not_below="runs/cats/0123456789", margin=0.5)

    assert not judge(accept, result(), baseline(of=30)).is_met
    assert not judge(accept, result(), None).is_met
