"""Laws of what a run records while it goes on."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from ftjob.engine import Iteration
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import read_train
from ftjob.runfolder.status import ENV_IMAGE, Attempt, Status
from ftjob.worker.meter import Account
from ftjob.worker.pod.context import PodContext
from ftjob.worker.recorder import Recorder, drop_later_than


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    status = Status("emotions", "aaaa", attempt=2, attempts=(Attempt(1, "local", 3600.0, 0.0, 100.0, 0.5),))
    account = Account(100.0, 0.5, 3600.0, time.time() - 20, time.monotonic() - 20)
    with closing(Recorder(RunFolder(tmp_path), status, 8, account, "p2.xlarge")) as made:
        yield made


def test_an_attempt_names_the_worker_and_its_image(tmp_path: Path):
    """So that a lineage can; the image is known on a cluster only."""
    account = Account(0.0, 0.0, 0.0, time.time(), time.monotonic())
    status = Status("emotions", "aaaa", attempt=1)
    image = PodContext.from_env({ENV_IMAGE: "faces/worker@sha256:1"}).image
    with closing(Recorder(RunFolder(tmp_path), status, 8, account, "p2.xlarge", image)) as made:
        made.update()

        [attempt] = made.status.attempts
    assert (attempt.image, attempt.ftjob) == ("faces/worker@sha256:1", version("ftjob"))
    assert PodContext.from_env({}).image == ""


def steps(*numbers: int) -> list[Iteration]:
    return [Iteration(number, 1 / number, {}, 0.01, 0.002) for number in numbers]


def test_cost_and_time_are_added_to_those_of_earlier_attempts(recorder: Recorder):
    """At a dollar a second, what an attempt costs is its seconds."""
    recorder.update()

    status = recorder.status
    assert status.usd > 0.5
    assert status.usd - 0.5 == pytest.approx(status.seconds - 100, abs=0.001)


def test_stages_add_up_to_the_attempt_and_attempts_to_the_run(recorder: Recorder):
    """What came before the worker is the stage `start`: twenty seconds of pulling an image, here."""
    for stage in ("fetch", "open", "train", "test", "train", "bundle"):
        recorder.update(stage=stage)
    recorder.update(stage="", reason="Completed", ended=1.0)

    before, now = recorder.status.attempts
    assert (before.usd, now.reason, now.node) == (0.5, "Completed", "p2.xlarge")
    assert list(now.stages) == ["start", "fetch", "open", "train", "test", "bundle"]
    assert 20 <= now.stages["start"] < 40
    assert sum(now.stages.values()) == pytest.approx(now.seconds, abs=0.005)
    assert before.usd + now.usd == pytest.approx(recorder.status.usd, abs=0.01)


def test_a_line_has_what_the_run_had_cost_by_then(recorder: Recorder):
    """And how long its iteration waited for images: what curves of money and waiting are made from."""
    begin = time.time()
    recorder.trained([replace(step, waited=0.001) for step in steps(1, 2)], 0.0)
    recorder.flush()

    first, second = read_train(recorder.folder.train_metrics)
    assert (first.waited, second.waited) == (0.001, 0.001)
    assert 0.5 < first.usd <= recorder.account.usd
    assert begin - 1 < first.time < time.time() + 1


def test_what_is_lost_is_recorded_with_the_attempt_before(recorder: Recorder):
    """And what a guard saves of the present one."""
    recorder.lost(7.0)
    recorder.saved_by("NotLearning", 60.0)
    recorder.update()

    assert [each.lost_seconds for each in recorder.status.attempts] == [7.0, 0.0]
    assert recorder.status.attempts[1].saved_seconds == {"NotLearning": 60.0}


def test_speed_is_images_over_training_time(recorder: Recorder):
    """Eight images in 2 ms are 4000 a second."""
    recorder.trained(steps(1, 2, 3), eta_seconds=1.0)

    assert recorder.images_per_second == pytest.approx(4000)


def test_waits_are_a_share_of_the_training(recorder: Recorder):
    """They add up over the attempt; an engine that knows of none leaves the share open."""
    recorder.update(stage="train")
    recorder.trained([Iteration(1, 0.5, {}, 0.01, 0.1)], eta_seconds=1.0)
    unknown = recorder.waiting
    recorder.trained(
        [Iteration(number, 0.5, {}, 0.01, 0.1, waited=0.025) for number in (2, 3)], eta_seconds=1.0
    )
    recorder.update(stage="test")

    now = recorder.status.attempts[-1]
    assert unknown is None
    assert now.waited_seconds == 0.05
    assert recorder.waiting == now.waiting == min(1.0, 0.05 / now.stages["train"])


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
    line = '{"iteration": 1, "loss": 0.5, "seconds": 0.1}\n'
    path.write_text(line + '{"iter')

    drop_later_than(path, 10)

    assert path.read_text() == line
