"""Reports of runs that really ran."""

import json
import time

import pytest

from tests.e2e.jobs import Job
from tests.report.pages import Page

pytestmark = pytest.mark.caffe


def test_the_page_in_the_folder_agrees_with_cost_and_evaluation(job: Job):
    """Dollars to the millionth, accuracy, every class, what was trained."""
    job.write(resources={"node": "p2.xlarge"}, budget={"usd": 5})
    job.submit()
    cost = job.ftjob("cost", "digits", "-o", "json").json()["total"]
    judged = json.loads(job.run().evaluation.read_text())
    mistakes = json.loads(job.run().mistakes.read_text())["mistakes"]
    page = Page(job.run().report.read_text())

    assert page.ids["usd"]["value"] == f"{cost['usd']:.6f}"
    assert sum(round(1e6 * float(row[3])) for row in page.tables["stages"][1:]) == round(1e6 * cost["usd"])
    assert page.ids["accuracy"]["value"] == str(judged["accuracy"])
    assert [row[0] for row in page.tables["each"][1:]] == [each["name"] for each in judged["classes"]]
    assert page.tags.count("figure") == 3 + len(mistakes)
    for phrase in (
        "of the budget of $5.00",
        "on demand",
        "loss3/classifier_digits (main)",
        "spec",
        "60 images",
    ):
        assert phrase in page.words


def test_the_verb_makes_the_same_page_and_prints_the_rest(job: Job):
    """A file beside the caller, a comment on stdout, figures for programs; the folder is not touched."""
    job.submit()
    made = job.run().report.stat().st_mtime_ns

    assert job.ftjob("report", "digits").out == "digits-report.html\n"
    assert (job.folder / "digits-report.html").read_text() == job.run().report.read_text()
    assert job.ftjob("report", "digits", "--format", "md").out.startswith("### ✅ `digits`: Succeeded")
    figures = job.ftjob("report", "digits", "--against", "digits", "-o", "json").json()
    assert figures["cost"] == job.ftjob("cost", "digits", "--attempts", "-o", "json").json()
    assert (figures["against"]["accuracy"], figures["file"]) == (0.0, None)
    report = job.ftjob("report", "digits", "--format", "md", "--to", "comment.md", "-o", "json").json()
    assert (job.folder / report["file"]).read_text() == job.ftjob("report", "digits", "--format", "md").out
    assert job.run().report.stat().st_mtime_ns == made


def test_a_run_that_fails_leaves_a_page_that_begins_with_why(job: Job):
    """A learning rate at which everything is NaN."""
    job.write(solver={"base_lr": 1e6})
    job.submit(code=7)
    words = Page(job.run().report.read_text()).words

    message = job.status()["message"]
    assert message.startswith("solver.base_lr: ")
    assert words.index(message) < words.index("Accuracy")
    assert "There is no evaluation yet" in words


def test_a_run_that_goes_on_has_a_report(job: Job):
    """Of what there is so far."""
    job.write(solver={"max_iter": 100_000, "test_interval": 50_000, "snapshot": 50_000})
    job.ftjob("submit", "spec.yaml", "--local")
    deadline = time.monotonic() + 60
    while not job.status()["iteration"]:
        assert time.monotonic() < deadline, "no iteration after a minute"
        time.sleep(0.1)
    comment = job.ftjob("report", "digits", "--format", "md").out
    job.ftjob("cancel", "digits")
    job.ftjob("wait", "digits", code=10)

    assert comment.startswith("### ⏳ `digits`: Running")
    assert job.status()["reason"] in Page(job.run().report.read_text()).words


def test_a_report_cannot_be_printed_twice(job: Job):
    """Figures and page on one stdout would be neither."""
    job.submit()

    assert (
        "--to - the report: give --to a file"
        in job.ftjob("report", "digits", "--to", "-", "-o", "json", code=2).err
    )
