"""`ftjob plan --explain` on runs that went wrong, by their name."""

from tests.e2e.jobs import Job


def test_a_run_that_diverged_is_explained(job: Job):
    """By its metrics and its own solver: what shows it, and the rate to try."""
    job.write(solver={"base_lr": 1e6})
    job.submit(code=7)

    told = job.ftjob("plan", "--explain", "digits", "-o", "json").json()

    assert "the training diverged" in told["cause"]
    assert told["patch"] == "solver:\n  base_lr: 100000"
    assert told["seen"].startswith("iteration ")
    assert not told["healthy"]


def test_the_last_attempt_of_a_run_is_explained(job: Job):
    """One that went well has nothing to explain; what Caffe last said in a later attempt does."""
    job.submit()
    well = job.ftjob("plan", "--explain", "digits", "-o", "json").json()
    log = job.run().log(2)
    log.write_text("F1122 00:23:56.773487  8924 solver_factory.hpp:67] Unknown solver type: Adamm\n")

    badly = job.ftjob("plan", "--explain", str(job.run().root), "-o", "json").json()

    assert well["healthy"]
    assert "bundle made" in well["seen"]
    assert badly["cause"].startswith("solver.type Adamm is not one of")
    assert badly["patch"] == "solver:\n  type: SGD"
