"""Finds the worst mistakes of a net: the wrong answers that it was surest of."""

from collections.abc import Iterable, Mapping

from ftjob.runfolder.records.mistakes import MOST, Mistake
from ftjob.runfolder.records.predictions import Prediction, PredictionsByKey


def worst(predictions: Iterable[Prediction], most: int = MOST) -> list[Prediction]:
    """Return the wrong answers with the highest probability, highest first; of equals the earlier image."""
    wrong = [each for each in predictions if not each.is_right and each.score is not None]
    return sorted(wrong, key=lambda each: -(each.score or 0.0))[:most]


def with_pictures(answers: Iterable[Prediction], pictures: Mapping[str, str]) -> list[Mistake]:
    """Return wrong answers as mistakes; `pictures` are JPEGs in base64 by key."""
    return [
        Mistake(
            key=each.key,
            label=each.label,
            predicted=each.predicted,
            score=each.score or 0.0,
            picture=pictures.get(each.key),
        )
        for each in answers
    ]


def still_made(mistakes: Iterable[Mistake], predictions: PredictionsByKey | None) -> tuple[Mistake, ...]:
    """Return the mistakes that are among the predictions of an evaluation: a folder may have those of an
    earlier one."""
    if predictions is None:
        return ()
    return tuple(each for each in mistakes if _is_made(each, predictions.get(each.key)))


def _is_made(mistake: Mistake, answer: Prediction | None) -> bool:
    return answer is not None and (answer.label, answer.predicted) == (mistake.label, mistake.predicted)
