"""A run's event files as TensorBoard's own code reads them, and what they should hold."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import read_tests, read_train

Points = dict[str, list[tuple[int, float]]]
"""By tag: iterations and values."""


def accumulated(folder: Path) -> Any:
    """Return TensorBoard's accumulator of all events in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    return found.Reload()


def scalars_of(folder: Path) -> Points:
    """Return the scalars that TensorBoard shows of a folder."""
    found = accumulated(folder)
    tags = found.Tags()["scalars"]
    return {tag: [(each.step, pytest.approx(each.value)) for each in found.Scalars(tag)] for tag in tags}


def metrics_of(run: RunFolder, images: int) -> Points:
    """Return the same by metrics/*.jsonl alone, with so many images an iteration."""
    points: Points = {}

    def add(tag: str, step: int, value: float | None) -> None:
        if value is not None:
            points.setdefault(tag, []).append((step, value))

    for line in read_train(run.train_metrics):
        add("train/loss", line.iteration, line.loss)
        add("train/learning_rate", line.iteration, line.learning_rate)
        add("speed/images_per_second", line.iteration, images / line.seconds)
        add("speed/data_wait", line.iteration, line.waited)
        add("cost/dollars", line.iteration, line.usd)
        for blob, value in line.outputs.items() if len(line.outputs) > 1 else ():
            add(f"outputs/{blob}", line.iteration, value)
    for test in read_tests(run.test_metrics):
        for tag, value in (("accuracy", test.accuracy), ("loss", test.loss), ("top5", test.top5)):
            add(f"test/{tag}", test.iteration, value)
        for head, accuracy in test.heads.items() if len(test.heads) > 1 else ():
            add(f"heads/{head}", test.iteration, accuracy)
    return points
