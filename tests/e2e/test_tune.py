"""A learning-rate range test, with real Caffe: its answer is right, and it is made once."""

import re
from pathlib import Path
from typing import Any

import pytest

import ftjob
from examples.digits.images import write_digits
from ftjob import api
from ftjob.client.local_run import Run, enlist, planned_at
from ftjob.errors import ExitCode
from ftjob.worker import attempt as worker
from tests.e2e.jobs import Job
from tests.plan.specs import document
from tests.storage.servers import Bucket

pytestmark = pytest.mark.caffe

[PYTHON] = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/tune.md").read_text(), re.S)
LENET = {"base": {"net": "lenet"}, "surgery": {"head_lr_mult": 1}, "data": {"batch_size": 20}}
SHORT = {"lr_policy": "fixed", "max_iter": 30, "test_interval": 30, "snapshot": 30}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All ten digits, on which no rate is too high by chance."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder / "train", range(10), slice(30))
    write_digits(folder / "val", range(10), slice(30, 50))
    (folder / "net.prototxt").touch()
    return folder


def tune(job: Job, *words: str) -> Any:
    """Call the verb and return what it prints for programs."""
    return job.ftjob("tune", "lr", "spec.yaml", "--local", "-o", "json", *words).json()


def short_run(job: Job, name: str, base_lr: float) -> tuple[int, float | None]:
    """Train a little at a fixed rate, in this process; return the exit code and the last validation loss."""
    job.write(**LENET, name=name, solver={**SHORT, "base_lr": base_lr})
    planned = api.plan(job.folder / "spec.yaml")
    run = Run(planned_at(planned))
    enlist(run, planned.spec, document(planned), None)
    return worker.run(run.location, 1), run.tests()[-1].loss


def test_the_suggested_rate_is_better_than_a_tenth_and_ten_times_of_it(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the loss on images never trained on, after a short run.

    The test diverged, which is no failure of the verb. Called again it shows the same and trains nothing,
    also where the spec has the rate by then; so does docs/tune.md's Python.
    """
    job.write(**LENET)
    found = tune(job, "--plot", "rates.svg")

    assert (found["started"], found["problem"]) == (True, "")
    assert found["lowest"]["rate"] < found["exploded"] < 1
    assert (job.folder / "rates.svg").read_text().startswith("<svg ")
    test = ftjob.find("digits-lr")
    assert (test.status().reason, test.status().attempt) == ("Diverged", 1)
    assert "the learning rate had risen to" in test.status().message

    rate = found["suggestion"]
    (code, best), (low_code, low) = short_run(job, "best", rate), short_run(job, "low", rate / 10)
    assert code == low_code == ExitCode.DONE
    assert best < 0.8 * low
    assert short_run(job, "high", rate * 10)[0] == ExitCode.DIVERGED

    job.write(**LENET, solver={**SHORT, "base_lr": rate})
    assert tune(job) == {**found, "started": False}
    assert test.status().attempt == 1
    (job.folder / "emotions.yaml").symlink_to("spec.yaml")
    monkeypatch.chdir(job.folder)
    exec(PYTHON, {})
    assert capsys.readouterr().out == f"{rate}\n"


@pytest.mark.store
def test_a_curve_without_an_answer_is_exit_code_8(job: Job, s3: Bucket) -> None:
    """Why there is none, below as much of the curve as there is; whoever asks the store finds it too."""
    job.write(**LENET, output=f"{s3.uri}/runs")
    words = ("--local", "--from", "0.01", "--to", "1e6", "--iterations", "60")
    printed = job.ftjob("tune", "lr", "spec.yaml", *words, code=ExitCode.NOT_LEARNING).out

    assert "no rate is suggested: the loss exploded at a rate of" in printed
    assert re.search(r"loss +0.01 +learning rate +\d", printed)
    assert "base_lr: " not in printed
    curve = api.rate_curve(ftjob.find(f"{s3.uri}/runs/digits-lr/{ftjob.find('digits-lr').run_id}"))
    assert curve.problem.startswith("the loss exploded at a rate of")
