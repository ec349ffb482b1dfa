"""Sweeps on this machine, with real Caffe: planned, submitted, killed, continued, compared."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ftjob.client.sweeping.sweep_run import SweepRun
from ftjob.runfolder.lock import worker_pid
from ftjob.storage import open_store
from tests.e2e.jobs import Job
from tests.e2e.test_remote_run import empty_machine
from tests.storage.processes import wait_until
from tests.storage.servers import Bucket

pytestmark = pytest.mark.caffe

RATES = [0.001, 0.0001, 0.00001]


@pytest.fixture
def sweep(job: Job) -> Job:
    """A sweep of three members, two at a time, within 0.3 hours."""
    job.write(sweep={"solver.base_lr": RATES, "parallel": 2}, budget={"hours": 0.3})
    return job


def folder_of(job: Job) -> Path:
    """The sweep's own folder."""
    [folder] = (job.folder / "runs" / "digits").iterdir()
    return folder


def members_of(job: Job) -> list[dict[str, Any]]:
    """The record of its members."""
    return list(json.loads((folder_of(job) / "sweep.json").read_text())["members"])


def attempts_of(job: Job) -> list[int]:
    """How many attempts each member's folder has."""
    return [len(list(run.glob("logs/*"))) for run in sorted((job.folder / "runs").glob("digits-*/*"))]


def test_a_sweep_that_is_killed_continues_where_it_was(sweep: Job) -> None:
    """Its driver and a member are killed; submitted again, every member ends once, within the budget; a
    third submit starts nothing, and a comparison has all of them."""
    sweep.ftjob("submit", "spec.yaml", "--local")
    run = SweepRun(str(folder_of(sweep)))
    deadline = time.monotonic() + 120
    while not any(each.get("accuracy") for each in (members_of(sweep) if run.sweep().records else [])):
        assert time.monotonic() < deadline, "no member was tested within 120 s"
        time.sleep(0.1)
    os.kill(worker_pid(run.folder) or 0, signal.SIGKILL)
    for member in run.members():
        member.cancel(now=True)

    # a killed process holds its lock until it is gone
    wait_until(lambda: run.status().state == "Interrupted", 60, "the sweep is interrupted")
    ended = sweep.submit().json()
    records = members_of(sweep)
    again = sweep.ftjob("submit", "spec.yaml", "--local", "-o", "json").json()
    compared = sweep.ftjob("compare", "--sweep", "digits", "-o", "json").json()

    assert ended["state"] == "Succeeded"
    assert [record["state"] for record in records] == ["Succeeded"] * 3
    assert sum(record["spentMilliseconds"] for record in records) <= 0.3 * 3_600_000
    assert records[0]["grantedMilliseconds"] == records[1]["grantedMilliseconds"] == 360_000
    assert max(attempts_of(sweep)) <= 2
    assert not again["started"]
    assert sorted(row["overrides"]["solver.base_lr"] for row in compared["members"]) == [
        "0.0001",
        "0.001",
        "1e-05",
    ]
    assert sweep.ftjob("get", "digits", "model").out.strip().endswith("model")


def test_a_cancelled_sweep_resumes_the_members_it_stopped(sweep: Job) -> None:
    """It stops after a snapshot of each, and starts no more; `retry` ends all of them."""
    sweep.write(
        sweep={"solver.base_lr": RATES, "parallel": 2},
        solver={"base_lr": 0.001, "max_iter": 300},
        guards={"not_learning": False},
    )
    sweep.ftjob("submit", "spec.yaml", "--local")
    run = SweepRun(str(folder_of(sweep)))
    deadline = time.monotonic() + 120
    while not all(member.status().state == "Running" for member in run.members()) or not run.members():
        assert time.monotonic() < deadline, "no member runs after 120 s"
        time.sleep(0.1)
    sweep.ftjob("cancel", "digits")
    stopped = sweep.ftjob("wait", "digits", "-o", "json", code=10).json()
    states = {record["state"] for record in members_of(sweep)}
    sweep.ftjob("retry", "digits")
    ended = sweep.ftjob("wait", "digits", "-o", "json").json()

    assert (stopped["state"], stopped["reason"]) == ("Stopped", "Cancelled")
    assert "Running" not in states
    assert ended["state"] == "Succeeded"
    assert [record["state"] for record in members_of(sweep)] == ["Succeeded"] * 3


def test_a_plan_shows_every_member_and_refuses_one_that_is_too_dear(sweep: Job) -> None:
    """The cheapest is named, and nothing is written."""
    shown = sweep.ftjob("plan", "spec.yaml", "-o", "json").json()
    sweep.write(sweep={"solver.base_lr": RATES}, budget={"hours": 0.0001})
    refused = sweep.ftjob("submit", "spec.yaml", "--local", code=2)

    assert [each["overrides"] for each in shown["members"]] == [{"solver.base_lr": rate} for rate in RATES]
    assert shown["parallel_seconds"] < shown["seconds"]
    assert refused.err.startswith(
        "budget.hours: 0.0001 hours is for all members of the sweep, and the cheapest, "
    )
    assert not (sweep.folder / "runs" / "digits").exists()


def test_a_sweep_in_a_store_is_one_for_every_machine(
    sweep: Job, s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Record, status and its driver's log are there beside the members; another machine reads them and gets
    the best member's bundle, and another submit joins."""
    sweep.write(
        sweep={"solver.base_lr": RATES[:2], "parallel": 2},
        solver={"base_lr": 0.001, "max_iter": 10},
        budget={"hours": 0.3},
        output=f"{s3.uri}/runs",
    )
    ended = sweep.submit().json()
    again = sweep.ftjob("submit", "spec.yaml", "--local", "-o", "json").json()
    empty_machine(monkeypatch, tmp_path / "elsewhere")
    uri = ended["folder"]
    logs = sweep.ftjob("logs", uri).out
    elsewhere = sweep.ftjob("status", uri, "-o", "json").json()
    sweep.ftjob("get", uri, "model")

    assert uri.startswith(f"{s3.uri}/runs/digits/sweep-")
    assert ended["state"] == elsewhere["state"] == "Succeeded"
    assert not again["started"]
    assert {"spec.yaml", "status.json", "sweep.json", "logs/attempt-1.log"} <= {
        entry.key for entry in open_store(uri).list()
    }
    assert "digits: a sweep of 2 members" in logs
    assert logs.rstrip().endswith(elsewhere["message"])
    assert (sweep.folder / "model" / "deploy.prototxt").is_file()
