"""`ftjob plan --explain` on runs that went wrong, by their name."""

import pytest

from tests.e2e.jobs import Job


@pytest.mark.caffe
def test_a_run_that_diverged_is_explained(job: Job):
    """By its metrics and its own solver: what shows it, and the rate to try."""
    job.write(solver={"base_lr": 1e6})
    job.submit(code=7)

    diagnosis = job.ftjob("plan", "--explain", "digits", "-o", "json").json()

    assert "the training diverged" in diagnosis["cause"]
    assert diagnosis["patch"] == "solver:\n  base_lr: 100000"
    assert diagnosis["seen"].startswith("iteration ")
    assert not diagnosis["healthy"]


@pytest.mark.caffe
def test_the_last_attempt_of_a_run_is_explained(job: Job):
    """One that went well has nothing to explain; what Caffe last printed in a later attempt does."""
    job.submit()
    well = job.ftjob("plan", "--explain", "digits", "-o", "json").json()
    log = job.run().log(2)
    log.write_text("F1122 00:23:56.773487  8924 solver_factory.hpp:67] Unknown solver type: Adamm\n")

    badly = job.ftjob("plan", "--explain", str(job.run().root), "-o", "json").json()

    assert well["healthy"]
    assert "bundle made" in well["seen"]
    assert badly["cause"].startswith("solver.type Adamm is not one of")
    assert badly["patch"] == "solver:\n  type: SGD"


def test_a_file_that_is_no_log_is_refused(job: Job):
    """With exit code 2 and its first line, as a wrong command is."""
    (job.folder / "notes.txt").write_text("Epoch 1/10\nKilled\n")

    refused = job.ftjob("plan", "--explain", "notes.txt", code=2)

    assert 'notes.txt: has no line from Caffe or ftjob (it begins with "Epoch 1/10")' in refused.err


def test_a_file_of_several_trainings_is_reported_as_such(job: Job):
    """The last one is explained."""
    stamp = "I1122 00:23:56.773487  8924 solver.cpp:1] "
    steps = ("Initializing solver from", "Creating training net", "Solving x", "Optimization Done.")
    (job.folder / "train.log").write_text("".join(f"{stamp}{step}\n" for step in steps * 2))

    shown = job.ftjob("plan", "--explain", "train.log").out.splitlines()

    assert shown[0].split() == ["cause", "nothing", "is", "wrong", "here"]
    assert shown[1].split(maxsplit=1) == ["log", "the last of 2 trainings in this file"]
