"""Writes how a net did on a dataset into the run's folder: in sum, and image by image."""

from pathlib import Path

from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.lmdb.read import exact_key, stored_records
from ftjob.errors import BadDataError
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.predictions import write_evaluated
from ftjob.worker.log import log


def keep_evaluation(
    evaluation_path: Path, predictions_path: Path, evaluation: Evaluation, facts: DatasetFacts
) -> None:
    """Write an evaluation, and the answer to each image where their number allows it.

    Raises BadDataError where the dataset has changed since, StorageError.
    """
    keys = [exact_key(key) for key, _ in stored_records(facts.path)]
    if len(keys) != evaluation.images:
        raise BadDataError(
            f"{facts.location}: holds {len(keys)} records, and {evaluation.images} were tested: it has "
            "changed since; put it back and submit again"
        )
    write_evaluated(evaluation_path, predictions_path, evaluation, keys)
    if not predictions_path.exists():
        log(f"{facts.location}: the answer to each image is not kept: no run can be compared with this one")
