"""`ftjob cost` of runs that really ran."""

import csv
import io
import shutil
import time

import pytest

from tests.e2e.jobs import Job

pytestmark = pytest.mark.caffe


def test_what_a_run_cost_is_what_its_status_records(job: Job):
    """One that was cancelled and submitted again: both attempts together, as one row, as two, as a sum; what
    the second began again is lost. As a table, as a CSV with a header; --since leaves out what is older."""
    job.write(
        resources={"node": "p2.xlarge"}, solver={"max_iter": 1000, "snapshot": 100, "test_interval": 500}
    )
    job.ftjob("submit", "spec.yaml", "--local")
    deadline = time.monotonic() + 60
    while not list((job.folder / "runs").glob("digits/*/snapshots/iter_100.json")):
        assert time.monotonic() < deadline, "no snapshot after a minute"
        time.sleep(0.05)
    job.ftjob("cancel", "digits")
    job.ftjob("wait", "digits", code=10)
    job.submit()
    status = job.status()
    whole = job.ftjob("cost", "-o", "json").json()
    each = job.ftjob("cost", "digits", "--attempts", "-o", "json").json()
    table = job.ftjob("cost").out
    rows = list(csv.DictReader(io.StringIO(job.ftjob("cost", "--attempts", "-o", "csv").out)))

    assert whole["total"]["seconds"] == pytest.approx(status["seconds"], abs=0.01)
    assert whole["total"]["usd"] == pytest.approx(status["usd"], abs=1e-5)
    assert {**whole["total"], "attempt": None} == {**each["total"], "attempt": None}
    assert [row["attempt"] for row in each["runs"]] == [1, 2]
    assert [row["attempts"] for row in whole["runs"]] == [2]
    assert each["runs"][1]["lost"]["seconds"] >= each["runs"][1]["stages"]["open"]["seconds"] > 0
    assert table.splitlines()[0].split()[:4] == ["RUN", "#", "TIME", "COST"]
    assert [row["attempt"] for row in rows] == ["1", "2"]
    assert job.ftjob("cost", "--since", "2100-01-01", "-o", "json").json()["runs"] == []


def test_a_run_that_cannot_be_read_hides_no_others(job: Job):
    """It is named, and the others are listed."""
    job.submit()
    job.write(name="lost")
    job.ftjob("submit", "spec.yaml", "--local", "--wait")
    [folder] = (job.folder / "runs" / "lost").iterdir()
    (folder / "status.json").write_text("{", encoding="utf-8")
    done = job.ftjob("cost")

    assert "digits/" in done.out
    assert "! lost: " in done.err
    shutil.rmtree(folder)
    assert job.ftjob("cost").err == ""


def test_the_next_plan_knows_how_fast_the_last_run_was(job: Job):
    """The worker leaves it beside the runs; another name and length of the same net is foretold by it."""
    job.submit()
    job.write(name="next", solver={"max_iter": 60})
    planned = job.ftjob("plan", "spec.yaml", "-o", "json").json()
    measured = planned["speed"]["measured"]

    assert measured["run"] == f"digits/{job.run().root.name}"
    images = planned["max_iter"] * planned["images_per_iteration"]
    assert planned["cost"]["train_seconds"] == pytest.approx(images * measured["train_seconds_per_image"])
    assert "measured in run digits/" in job.ftjob("plan", "spec.yaml").out


def test_training_is_accounted_for_the_time_it_took(job: Job):
    """Images trained ÷ images/s, within 10 %; more only where this machine kept the worker from hearing of
    them, which is why the other side is held in tests/worker/test_stages.py, by a clock that tests turn."""
    job.write(solver={"test_interval": 15, "snapshot": 30})
    job.submit()

    status = job.status()
    [attempt] = status["attempts"]
    trained = status["iteration"] * 8 / status["images_per_second"]
    assert attempt["stages"]["train"] >= 0.9 * trained > 0
    assert sum(attempt["stages"].values()) == pytest.approx(attempt["seconds"], abs=0.01)
