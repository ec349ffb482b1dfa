"""Before money is spent: shown, asked above a threshold, refused where the budget does not pay."""

import os
import pty
import subprocess
import sys

import pytest

from tests.e2e.jobs import Job

PAID = {"node": "p2.xlarge"}
SHORT = {"resources": PAID, "solver": {"max_iter": 30_000, "snapshot": 10}, "budget": {"usd": 0.07}}
"""Its start costs $0.06; the budget pays for some of the iterations."""


@pytest.fixture
def dear(job: Job, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A job that costs more than may be spent without asking: a cent."""
    job.write(resources=PAID)
    monkeypatch.setenv("FTJOB_ASK_ABOVE_USD", "0.01")
    return job


def started(job: Job) -> bool:
    return (job.folder / "runs").exists()


def test_without_a_terminal_what_is_dear_is_refused(dear: Job):
    """One sentence with both figures and the way out; nothing is written."""
    message = dear.ftjob("submit", "spec.yaml", "--local", code=2).err

    assert "submit: digits costs about $0.06, at worst $0.24, which is above $0.01" in message
    assert "(FTJOB_ASK_ABOVE_USD): add --yes" in message
    assert not started(dear)


@pytest.mark.caffe
def test_yes_answers(dear: Job):
    """With --yes it begins, and json has what it may cost; done, it costs nothing and nobody is asked."""
    begun = dear.ftjob("submit", "spec.yaml", "--local", "--yes", "-o", "json").json()
    dear.ftjob("wait", "digits")

    assert begun["started"] is True
    assert begun["usd_worst"] == pytest.approx(4 * begun["usd_estimate"])
    assert dear.ftjob("submit", "spec.yaml", "--local", "-o", "json").json()["started"] is False


@pytest.mark.caffe
@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("y", 0)])
def test_at_a_terminal_it_is_asked(dear: Job, answer: str, code: int):
    """y submits, n does not."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "ftjob", "submit", "spec.yaml", "--local"]
    child = subprocess.Popen(words, cwd=dear.folder, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs)
    os.write(ours, f"{answer}\n".encode())
    child.communicate()
    if started(dear):
        dear.ftjob("wait", "digits")
    question = os.read(ours, 100_000).decode()
    os.close(ours)
    os.close(theirs)

    assert "digits costs about $0.06, at worst $0.24. Submit? [y/N]" in question
    assert child.returncode == code
    assert started(dear) is (code == 0)


@pytest.mark.caffe
def test_below_the_threshold_and_for_nothing_nobody_asks(job: Job):
    """Ten dollars are not reached, and a node that costs nothing never asks."""
    job.write(resources=PAID)
    job.ftjob("submit", "spec.yaml", "--local", "--wait")
    job.write(name="free")
    job.ftjob("submit", "spec.yaml", "--local", "--wait")


def test_a_dry_run_never_asks(dear: Job):
    """It starts nothing, whatever it would cost."""
    cost = dear.ftjob("submit", "spec.yaml", "--local", "--dry-run", "-o", "json").json()["cost"]

    assert cost["worst_usd"] > 0.01
    assert not started(dear)


def test_a_threshold_that_is_no_amount_is_refused(dear: Job, monkeypatch: pytest.MonkeyPatch):
    """The variable is named."""
    monkeypatch.setenv("FTJOB_ASK_ABOVE_USD", "ten")

    assert (
        "FTJOB_ASK_ABOVE_USD: 'ten' is not an amount of dollars"
        in dear.ftjob("submit", "spec.yaml", "--local", code=2).err
    )


def test_what_the_budget_does_not_pay_for_is_refused(job: Job):
    """In the plan's own words, with what it would pay for."""
    job.write(**SHORT)
    [warning] = job.ftjob("plan", "spec.yaml", "-o", "json").json()["warnings"]
    message = job.ftjob("submit", "spec.yaml", "--local", code=2).err

    assert f"{warning} (--yes submits it anyway)" in message
    assert "what would fit: solver.max_iter " in warning
    assert not started(job)


def test_a_budget_without_a_snapshot_is_refused_always(job: Job):
    """--yes does not help: the money would be gone with nothing to show for it."""
    job.write(resources=PAID, budget={"usd": 0.05})

    assert "budget.usd: $0.05 does not pay for the start" in job.ftjob("plan", "spec.yaml", code=2).out
    message = job.ftjob("submit", "spec.yaml", "--local", "--yes", code=2).err
    assert "budget.usd: $0.05 does not pay for the start" in message
    assert not started(job)
