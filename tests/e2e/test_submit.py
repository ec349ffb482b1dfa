"""Laws of the main job: submit, resume, finish, with real Caffe and real images."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ftjob.client import processes as local
from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.layout import RunFolder
from tests.e2e.jobs import Job
from tests.events import metrics_of, scalars_of
from tests.forked import client

pytestmark = pytest.mark.caffe

DOCS = Path(__file__).parents[2] / "docs"


def wait_for_iteration(job: Job, iteration: int) -> None:
    """Return once the run under way has a complete snapshot of that iteration or a later one."""
    for _ in range(2400):
        if any((job.folder / "runs").glob("digits/*/snapshots/iter_*.json")) and (
            (job.status()["snapshot"] or 0) >= iteration
        ):
            return
        time.sleep(0.05)
    raise AssertionError(f"no snapshot of iteration {iteration} after 120 s")


def params(caffemodel: Path) -> dict[str, list[bytes]]:
    """Return every layer's blobs."""
    net = NetParameter.FromString(caffemodel.read_bytes())
    return {layer.name: [blob.SerializeToString() for blob in layer.blobs] for layer in net.layer}


def start(job: Job) -> "client.Forked | subprocess.Popen[bytes]":
    """Submit as at a terminal: able to be interrupted, also where the tests run in the background."""
    words = [*client.FTJOB, "submit", "spec.yaml", "--local", "--wait"]
    if client.Servers.of(words) is None:
        words = ["env", "--default-signal=INT", *words]
    return client.popen(words, cwd=job.folder, stdout=subprocess.DEVNULL)


def test_a_run_leaves_the_folder_that_the_docs_show(finished: Job):
    """Every file of docs/run-folder.md's tree is there after a run, and nothing else is."""
    tree = (DOCS / "run-folder.md").read_text(encoding="utf-8").split("```text")[1].split("```")[0]
    documented = set(
        re.findall(
            r"[─ /]([\w.-]+\.(?:yaml|jsonl?|prototxt|png|html|log|caffemodel|solverstate|00000|end)\b)", tree
        )
    )

    run = finished.run()
    outside = [path for path in run.root.rglob("*") if path.is_file() and run.bundle not in path.parents]
    seen = {re.sub(r"iter_\d+", "iter_4000", path.name) for path in outside} - {run.lock.name}
    assert seen == documented - {"stage.json"}  # of a run with stages


def test_the_second_submit_of_a_finished_run_starts_nothing(job: Job):
    """The third step of the idempotent submit: a run that is done costs nothing."""
    first = job.submit().json()

    second = job.ftjob("submit", "spec.yaml", "--local", "-o", "json").json()

    assert first["state"] == "Succeeded"
    assert not second["started"]
    assert not job.run().log(2).exists()


def test_metrics_have_every_iteration_once(finished: Job):
    """One line per update, and one per test: before the first step, at every interval, at the end."""
    run = finished.run()

    iterations = [json.loads(line)["iteration"] for line in run.train_metrics.read_text().splitlines()]
    tests = [json.loads(line)["iteration"] for line in run.test_metrics.read_text().splitlines()]

    assert iterations == list(range(1, 31))
    assert tests == [0, 10, 20, 30]


def test_ctrl_c_stops_with_a_snapshot_and_the_next_submit_goes_on(as_users_do: None, job: Job):
    """SIGINT at the terminal ends as Stopped, exit code 10; the same submit then finishes the run."""
    job.write(solver={"max_iter": 4000, "test_interval": 2000, "snapshot": 100})
    submitting = start(job)
    wait_for_iteration(job, 100)
    submitting.send_signal(signal.SIGINT)

    assert submitting.wait(timeout=60) == 10
    stopped = job.status()
    assert (stopped["state"], stopped["reason"]) == ("Stopped", "Cancelled")
    assert stopped["snapshot"] == stopped["iteration"] >= 100
    assert not job.run().bundle.exists()


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(new_job: Callable[[str], Job]):
    """SIGKILL of the worker loses only what came after the last snapshot: the weights end bit-equal."""
    undisturbed, killed = new_job("undisturbed"), new_job("killed")
    for each in (undisturbed, killed):
        each.write(solver={"max_iter": 600, "test_interval": 300, "snapshot": 100})
    undisturbed.submit()

    for iteration in (100, 300):
        submitting = start(killed)
        wait_for_iteration(killed, iteration)
        pid = local.worker_pid(killed.run())
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert submitting.wait(timeout=60) == 10
    status = killed.ftjob("status", "digits", "-o", "json").json()
    killed.submit()

    assert status["state"] == "Interrupted"
    assert killed.status()["attempt"] == 3
    assert killed.status()["resumed"]["iteration"] >= 300
    ends = [params(each.run().caffemodel(600)) for each in (undisturbed, killed)]
    assert ends[0] == ends[1]
    lines = killed.run().train_metrics.read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == list(range(1, 601))
    assert scalars_of(killed.run().events) == metrics_of(killed.run(), 8)


def test_a_killed_engine_is_reported_and_the_run_resumes(job: Job):
    """SIGKILL of Caffe mid-run: Failed at once with the signal's name, and the next submit goes on."""
    job.write(solver={"max_iter": 600, "test_interval": 300, "snapshot": 100})
    submitting = start(job)
    wait_for_iteration(job, 100)
    worker = local.worker_pid(job.run())
    children = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)

    assert submitting.wait(timeout=60) == 6
    assert job.status()["reason"] == "EngineCrashed"
    assert "SIGKILL" in job.status()["message"]
    assert job.submit().json()["state"] == "Succeeded"


def test_cancel_from_another_terminal_stops_the_run(as_users_do: None, job: Job):
    """`ftjob cancel` is answered with a snapshot; `ftjob wait` then has the worker's exit code."""
    job.write(solver={"max_iter": 4000, "test_interval": 2000, "snapshot": 100})
    job.ftjob("submit", "spec.yaml", "--local")
    wait_for_iteration(job, 100)

    assert "stopping" in job.ftjob("cancel", "digits").out
    assert "Stopped" in job.ftjob("wait", "digits", code=10).out


def test_the_budget_ends_a_run_with_a_bundle(job: Job):
    """budget.hours reached: tested, bundled, exit code 9, and it was over in time."""
    job.write(
        solver={"max_iter": 100_000, "snapshot": 1000, "test_interval": 50_000}, budget={"hours": 0.006}
    )
    job.submit("--yes", code=9)

    assert job.status()["reason"] == "BudgetReached"
    assert job.run().bundle.is_dir()
    assert job.status()["seconds"] < 0.006 * 3600


def test_an_accuracy_that_is_asked_for_and_missed_fails_the_run(job: Job):
    """accept.accuracy: what a CI run must reach has an exit code of its own, and the bundle is there."""
    job.write(accept={"accuracy": 0.99}, solver={"base_lr": 1e-6})
    job.submit(code=11)

    assert "accept.accuracy: 0.9900 is required" in job.status()["message"]
    assert job.run().bundle.is_dir()


def test_caffe_itself_goes_on_from_a_snapshot(finished: Job, tmp_path: Path):
    """`caffe train -snapshot` takes the run folder's solver, net and snapshot as they are."""
    run = RunFolder(shutil.copytree(finished.run().root, tmp_path / "run"))
    caffe = find_caffe().program("caffe")

    done = subprocess.run(
        [caffe, "train", "-solver", run.solver, "-snapshot", run.solverstate(20)],
        cwd=run.root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Resuming from" in done.stderr
    assert "Optimization Done." in done.stderr


def test_caffe_itself_loads_the_bundle(finished: Job, tmp_path: Path):
    """`caffe train -weights` copies every layer of the bundled caffemodel."""
    run = RunFolder(shutil.copytree(finished.run().root, tmp_path / "run"))
    caffe = find_caffe().program("caffe")
    weights = run.bundle / "weights.caffemodel"

    done = subprocess.run(
        [caffe, "train", "-solver", run.solver, "-weights", weights],
        cwd=run.root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "Ignoring source layer" not in done.stderr


def test_fine_tuning_from_a_run_by_its_name_or_alias(job: Job):
    """base.weights: run:NAME takes that run's bundle, and so does an alias of it, for the same run; frozen
    layers keep its weights to the bit."""
    job.submit()
    job.ftjob("promote", "digits", "best")
    spec: dict[str, Any] = {"name": "tuned", "surgery": {"freeze": {"up_to": "inception_b"}}}
    job.write(base={"weights": "alias:best"}, **spec)
    job.submit()

    [tuned] = (job.folder / "runs" / "tuned").iterdir()
    plan = json.loads((tuned / "plan.json").read_text())
    lineage = job.ftjob("lineage", "tuned", "-o", "json").json()
    assert [(run["name"], run["problem"]) for run in lineage["runs"]] == [("tuned", ""), ("digits", "")]
    assert lineage["runs"][0]["weights"]["alias"] == "alias:best@1"
    job.write(base={"weights": "run:digits"}, **spec)
    assert job.ftjob("plan", "spec.yaml", "-o", "json").json()["run_id"] == tuned.name
    assert "inception_b/3x3" in plan["frozen"]
    assert set(plan["renamed"].values()) == {"loss1/classifier", "loss2/classifier", "loss3/classifier"}


def test_verify_proves_a_bundle_elsewhere(job: Job, tmp_path: Path):
    """`get` copies the bundle, `verify` answers yes there; a changed byte is found and named."""
    job.submit()
    job.ftjob("get", "digits", str(tmp_path / "copy"))

    assert job.ftjob("verify", str(tmp_path / "copy"), "-o", "json").json()["ok"]
    preprocess = tmp_path / "copy" / "preprocess.json"
    preprocess.write_text(preprocess.read_text().replace('"crop": 28', '"crop": 27'))
    assert "preprocess.json: not the file" in job.ftjob("verify", str(tmp_path / "copy"), code=3).err
