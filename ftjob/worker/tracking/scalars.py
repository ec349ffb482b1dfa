"""The numbers and settings of a run by the names that TensorBoard and MLflow show."""

import json
from typing import Any

from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.worker.tracking.tfevents import Setting
from jobspec import JobSpec

ACCURACY = "test/accuracy"


def train_scalars(line: TrainLine, images: int) -> dict[str, float]:
    """Return what is known of an iteration that takes so many images; the loss layers' own outputs where
    there are several."""
    outputs = line.outputs if len(line.outputs) > 1 else {}
    return _known(
        {
            "train/loss": line.loss,
            **{f"outputs/{blob}": value for blob, value in outputs.items()},
            "train/learning_rate": line.learning_rate,
            "speed/images_per_second": images / line.seconds if line.seconds else None,
            "speed/data_wait": line.waited,
            "cost/dollars": line.usd,
        }
    )


def test_scalars(line: TestLine) -> dict[str, float]:
    """Return what is known of a test: of the main head, and the accuracy of every head where there are
    several."""
    heads = line.heads if len(line.heads) > 1 else {}
    return _known(
        {
            "test/loss": line.loss,
            ACCURACY: line.accuracy,
            "test/top5": line.top5,
            **{f"heads/{head}": value for head, value in heads.items()},
        }
    )


def settings_of(spec: JobSpec) -> dict[str, Setting]:
    """Return the settings in a spec by their dotted names, lists as JSON; without name and output."""
    values = spec.model_dump(mode="json", exclude_none=True, exclude={"name", "output", "stages"})
    return _flat("", values)


def _flat(prefix: str, values: dict[str, Any]) -> dict[str, Setting]:
    found: dict[str, Setting] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(f"{prefix}{key}.", value)
        else:
            found[prefix + key] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return found


def _known(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
