"""The law of an attempt's stages: time is booked to what the worker was doing, by a clock that tests turn."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ftjob.engine import Iteration, ShouldContinue, always
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Status
from ftjob.worker.meter import Account
from ftjob.worker.recorder import Recorder
from ftjob.worker.train import Outcome, Training
from jobspec.spec import Guards

IMAGES, RECORDS, CLASSES = 8, 12, 3


class Clock:
    """Seconds that pass when somebody works."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ClockedEngine:
    """Takes the time of each verb from the clock, and reports iterations in chunks once they are done."""

    def __init__(self, clock: Clock, chunk: int) -> None:
        self.clock, self.chunk, self.iteration = clock, chunk, 0

    def steps(self, iterations: int) -> Iterator[list[Iteration]]:
        while iterations:
            made = min(self.chunk, iterations)
            self.clock.now += 0.025 * made
            numbers = range(self.iteration + 1, self.iteration + made + 1)
            self.iteration, iterations = self.iteration + made, iterations - made
            yield [Iteration(number, 0.5, {}, 0.01, 0.025) for number in numbers]

    def test(
        self, images: int, blobs: Sequence[str], *, should_continue: ShouldContinue = always
    ) -> dict[str, Any]:
        self.clock.now += 0.5
        labels = np.arange(images) % CLASSES
        return {"score": np.eye(CLASSES, dtype=np.float32)[labels], "label": labels.astype(np.float32)}

    def begin_snapshot(self, directory: Path) -> None:
        self.clock.now += 0.125


def plan(max_iter: int) -> Any:
    head = SimpleNamespace(layer="fc8", score="score", label="label", tested=True)
    work = SimpleNamespace(max_iter=max_iter, images_per_iteration=IMAGES, kept_train=None)
    sizes = SimpleNamespace(memory=SimpleNamespace(weights=0, history=0), work=work, predicted=None)
    sizes.batches = SimpleNamespace(test_batch_size=RECORDS)
    solver = SimpleNamespace(max_iter=max_iter, test_interval=4, snapshot=10, base_lr=0.01)
    return SimpleNamespace(
        solver=solver,
        spec=SimpleNamespace(guards=Guards(), budget=SimpleNamespace(usd=None, hours=None), solver=solver),
        inputs=SimpleNamespace(
            val=SimpleNamespace(records=RECORDS), train=SimpleNamespace(records=100 * IMAGES), on=None
        ),
        heads=[head],
        main_head=head,
        labels=["anger", "fear", "joy"],
        images_per_iteration=IMAGES,
        forecast=sizes,
    )


@pytest.mark.parametrize("chunk", [1, 3, 20])
def test_the_seconds_of_training_are_those_of_the_images_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Images trained ÷ images/s, within 10 %, however many iterations the engine reports at once."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    folder, account = RunFolder(tmp_path), Account(0.0, 0.0, 3600.0, 0.0, clock.now)
    saver = SimpleNamespace(take=lambda *_: None, seconds=0.0)
    home: Any = SimpleNamespace(
        saver=saver,
        check=lambda: None,
        found=[],
        run=SimpleNamespace(is_copy=False),
        snapshots_folder=lambda: tmp_path,
    )
    engine, watch = ClockedEngine(clock, chunk), SimpleNamespace(idle=False)
    with closing(Recorder(folder, Status("emotions", "1f3b9c02aa"), IMAGES, account, "local")) as recorder:
        training = Training(plan(20), home, engine, recorder, stop=None, watch=watch)  # type: ignore[arg-type]
        assert training.run() is Outcome.FINISHED
        recorder.update(stage="bundle")

    assert recorder.images_per_second == pytest.approx(40 * IMAGES)
    trained = 20 * IMAGES / recorder.images_per_second
    assert recorder.stages["train"] == pytest.approx(trained, rel=0.1)
    assert recorder.stages["test"] == pytest.approx(6 * 0.5, rel=0.1)
    assert recorder.stages["snapshot"] == pytest.approx(2 * 0.125, rel=0.1)
