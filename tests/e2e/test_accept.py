"""Runs that really ran, judged by what their specs accept, and compared."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.digits.images import write_digits
from ftjob import api
from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.dataset.lmdb.read import exact_key, records
from ftjob.engine.open import open_deploy
from ftjob.errors import BadSpecError
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.deploy import score_blob
from ftjob.report.compare.phrases import THAN
from ftjob.runfolder.layout import BundleFolder, RunFolder
from tests.e2e.jobs import Job
from tests.report.pages import Page

torch = pytest.mark.torch


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run_of(job: Job, name: str) -> RunFolder:
    [folder] = (job.folder / "runs" / name).iterdir()
    return RunFolder(folder)


def answers_of(run: RunFolder, engine: str, log: Path) -> dict[str, int]:
    """What the bundled net answers to each record of the validation data, asked alone."""
    bundle, plan = BundleFolder(run.bundle), json.loads(run.plan.read_text())
    values = json.loads(bundle.preprocess.read_text())
    how = Preprocess(**{**values, "mean": tuple(values["mean"])})
    found = list(records(Path(plan["val"]["path"])))
    blob = score_blob(parse_net(bundle.deploy.read_text(), "deploy"))
    with open_deploy(engine, bundle.deploy, bundle.weights, log=log) as net:
        scores = net.forward(np.stack([transform(each.image, how) for each in found]), [blob])[blob]
    best = scores.reshape(len(found), -1).argmax(axis=1).tolist()
    return {exact_key(each.key): answer for each, answer in zip(found, best, strict=True)}


@pytest.mark.parametrize(
    "engine", [pytest.param("caffe", marks=[pytest.mark.caffe, torch]), pytest.param("torch", marks=torch)]
)
def test_every_image_has_the_answer_that_the_bundle_gives_it(job: Job, engine: str):
    """Each once, by its key, though the third test began in the middle of the data: 30 records, batches of
    8."""
    job.write(engine=engine)
    job.submit()
    predictions = lines(job.run().predictions)
    judged = json.loads(job.run().evaluation.read_text())

    assert {each["key"]: each["predicted"] for each in predictions} == answers_of(
        job.run(), engine, job.folder / "log"
    )
    assert sum(each["label"] == each["predicted"] for each in predictions) == judged["accuracy"] * 30
    assert [each["key"] for each in predictions] == sorted(each["key"] for each in predictions)


@torch
def test_a_result_is_held_against_an_earlier_one_on_other_images(job: Job, monkeypatch: pytest.MonkeyPatch):
    """The same net again is no better; a margin lets it pass, without training again."""
    write_digits(job.folder / "holdout", range(3), slice(30, 45))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(job.folder / "summary.md"))
    (job.folder / "summary.md").write_text("before\n")
    job.write(engine="torch", accept={"per_class": 0.0, "on": "holdout"})
    job.submit("--junit", "first.xml")
    again = {"name": "again", "engine": "torch"}
    job.write(**again, accept={"not_below": "run:digits", "on": "holdout"})
    refused = job.submit("--junit", "again.xml", code=11).json()
    iterations = len(lines(run_of(job, "again").train_metrics))
    job.write(**again, accept={"not_below": "run:digits", "on": "holdout", "margin": 0.9})
    job.submit("--junit", "passed.xml")

    assert refused["message"].startswith("accept.not_below: not shown to differ from digits/")
    assert "on the same 45 images" in refused["message"]
    assert len(lines(run_of(job, "again").on_predictions)) == 45
    assert len(lines(run_of(job, "again").train_metrics)) == iterations == 30
    counts = [
        [ET.parse(job.folder / f"{name}.xml").getroot()[0].get(each) for each in ("tests", "failures")]
        for name in ("first", "again", "passed")
    ]
    assert counts == [["2", "0"], ["2", "1"], ["2", "0"]]
    summary = (job.folder / "summary.md").read_text()
    assert summary.startswith("before\n### ✅ `digits`")
    assert summary.count("**Not accepted** on ") == 1
    compared = job.ftjob("compare", "digits", "again", "-o", "json").json()
    [difference] = compared["differences"]
    assert (difference["verdict"], difference["counts"]["gained"], difference["counts"]["lost"]) == (
        "same",
        0,
        0,
    )
    assert [each["field"] for each in compared["spec"]] == ["name", *SPEC_FIELDS]


SPEC_FIELDS = ["accept.per_class", "accept.not_below", "accept.margin"]


@torch
def test_what_cannot_be_compared_is_refused_before_training(job: Job, monkeypatch: pytest.MonkeyPatch):
    """Other images, other classes, a run that is not there, data that the run trains or is tested on."""
    job.write(engine="torch")
    job.submit()
    write_digits(job.folder / "holdout", range(3), slice(30, 45))
    write_digits(job.folder / "four", range(4), slice(20))
    write_digits(job.folder / "four-val", range(4), slice(20, 30))
    other = {"name": "other", "engine": "torch"}
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"data": {"val": "holdout"}, "accept": {"not_below": "run:digits"}},
            "was not evaluated on the images",
        ),
        (
            {"data": {"train": "four", "val": "four-val"}, "accept": {"not_below": "run:digits"}},
            "has other classes (3 of them, and this run has 4)",
        ),
        ({"accept": {"not_below": "run:nobody"}}, "nobody: no such run"),
        ({"accept": {"not_below": "runs/nobody/0123456789"}}, "nobody/0123456789 has no evaluation (yet)"),
        (
            {"accept": {"not_below": "run:digits", "on": "holdout"}},
            "was never evaluated on a dataset of accept.on",
        ),
        ({"accept": {"on": "val"}}, "val holds the very records of data.val"),
        ({"accept": {"on": "train"}}, "train holds the very records of data.train"),
        ({"accept": {"margin": 0.1}}, "accept.margin: is for not_below"),
    ]
    monkeypatch.chdir(job.folder)
    for changes, sentence in cases:
        with pytest.raises(BadSpecError, match=re.escape(sentence)):
            api.plan(job.write(**other, **changes))


@torch
def test_runs_beside_one_another_show_the_images_that_changed_sides(job: Job):
    """Longer training; the pictures are of the LMDB, as the page needs no other file."""
    job.write(engine="torch", solver={"max_iter": 10, "base_lr": 0.0002})
    job.submit()
    job.write(name="longer", engine="torch", solver={"max_iter": 60})
    job.submit()
    assert job.ftjob("compare", "digits", "longer", "-o", "html").out == "comparison.html\n"
    page = Page((job.folder / "comparison.html").read_text())
    made = api.compare(["digits", "longer"])
    [difference] = made.to_json()["differences"]

    shown = min(24, len(difference["gained"])) + min(24, len(difference["lost"]))
    assert len(page.images) == shown > 0
    assert all(each["src"].startswith("data:image/jpeg;base64,") for each in page.images)
    assert page.resources == ["data:,", *(each["src"] for each in page.images)]
    assert (than := THAN[difference["verdict"]]) in page.words
    assert [row[0] for row in page.tables["spec"][1:]] == ["name", "solver.base_lr", "solver.max_iter"]
    assert f"is **{than}**" in made.markdown()
    assert than in job.ftjob("compare", "digits", "longer").out
