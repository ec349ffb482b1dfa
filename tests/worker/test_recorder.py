"""Laws of what a run tells while it goes on."""

import json
import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ftjob.engine import Iteration
from ftjob.layout import RunFolder
from ftjob.status import Status
from ftjob.worker.recorder import Recorder, drop_later_than


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    status = Status("emotions", "aaaa", seconds=100.0, usd=0.5)
    with closing(Recorder(RunFolder(tmp_path), status, images_per_iteration=8, usd_per_hour=3600.0)) as made:
        yield made


def steps(*numbers: int) -> list[Iteration]:
    return [Iteration(number, 1 / number, {}, 0.01, 0.002) for number in numbers]


def test_cost_and_time_are_added_to_those_of_earlier_attempts(recorder: Recorder):
    """At a dollar a second, what an attempt costs is its seconds."""
    recorder.update()

    status = recorder.status
    assert status.usd > 0.5
    assert status.usd - 0.5 == pytest.approx(status.seconds - 100, abs=0.001)


def test_speed_is_images_over_training_time(recorder: Recorder):
    """Eight images in 2 ms are 4000 a second."""
    recorder.trained(steps(1, 2, 3), eta_seconds=1.0)

    assert recorder.images_per_second == pytest.approx(4000)


def test_what_is_no_number_is_null(recorder: Recorder):
    """JSON has no NaN: other programs read these files."""
    recorder.trained([Iteration(1, math.nan, {"aux": math.inf}, 0.01, 0.1)], eta_seconds=math.inf)
    recorder.update()

    line = json.loads(recorder.folder.train_metrics.read_text())
    assert (line["loss"], line["outputs"]) == (None, {"aux": None})
    assert json.loads(recorder.folder.status.read_text())["eta_seconds"] is None


def test_going_on_from_a_snapshot_forgets_what_came_after_it(recorder: Recorder):
    """Iterations that are trained again stand once in the metrics."""
    recorder.trained(steps(1, 2, 3, 4), eta_seconds=1.0)
    recorder.forget_after(2)
    recorder.trained(steps(3), eta_seconds=1.0)
    recorder.update()

    lines = recorder.folder.train_metrics.read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [1, 2, 3]


def test_a_line_cut_by_a_kill_is_dropped(tmp_path: Path):
    """What a killed worker wrote in part does not stand between whole lines."""
    path = tmp_path / "train.jsonl"
    path.write_text('{"iteration": 1}\n{"iter')

    drop_later_than(path, 10)

    assert path.read_text() == '{"iteration": 1}\n'
