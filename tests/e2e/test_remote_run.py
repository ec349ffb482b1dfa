"""Laws of a run whose folder is in S3: it is watched, stopped, killed and taken up as if it were on disk."""

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from examples.digits.images import write_digits
from ftjob.client import processes as local
from ftjob.client import registry as runs
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.address import work_folder
from ftjob.storage import MissingError, Store, open_store
from tests.e2e.jobs import Job
from tests.e2e.test_submit import start
from tests.storage.servers import Bucket

pytestmark = pytest.mark.caffe


def empty_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Be on a machine that has seen nothing but the engine."""
    engines = Path(os.environ["FTJOB_CACHE"]) / "engines"
    folder.mkdir()
    (folder / "engines").symlink_to(engines)
    monkeypatch.setenv("FTJOB_CACHE", str(folder))


def location(job: Job, name: str = "digits") -> str:
    """Return the URI of the newest run of a name."""
    return str(job.ftjob("status", name, "-o", "json").json()["folder"])


def wait_until(seen: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if found := seen():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} was not seen within two minutes")


@pytest.fixture
def reaper() -> Iterator[ThreadPoolExecutor]:
    """Waits for processes that are killed."""
    with ThreadPoolExecutor(60) as pool:
        yield pool


def status_of(uri: str) -> dict[str, Any]:
    return dict(json.loads(open_store(uri).read("status.json")))


def records(store: Store) -> list[str]:
    return [entry.key for entry in store.list("snapshots") if entry.key.endswith(".json")]


def trains(name: str = "digits") -> bool:
    """Return whether the newest run of a name is past its twentieth iteration."""
    if not worker(name):
        return False
    with suppress(MissingError):  # it has written nothing yet
        return bool(json.loads(open_store(runs.known_runs(name)[-1]).read("status.json"))["iteration"] > 20)
    return False


def worker(name: str = "digits") -> int | None:
    """Return the process that works on the newest run of a name here, None where there is none yet."""
    known = runs.known_runs(name)
    return local.worker_pid(work_folder(known[-1])) if known else None


def weights(uri: str) -> list[list[bytes]]:
    """Return every layer's blobs of a run's bundle."""
    net = NetParameter.FromString(open_store(uri).read("bundle/weights.caffemodel"))
    return [[blob.SerializeToString() for blob in layer.blobs] for layer in net.layer]


@pytest.mark.torch
def test_a_run_in_a_store_is_the_folder_that_one_on_disk_is(job: Job, s3: Bucket):
    """The same keys as files, but for the lock; one that is not accepted lacks nothing."""
    write_digits(job.folder / "holdout", range(3), slice(30, 40))
    job.write(output="runs", accept={"accuracy": 0.0, "on": "holdout"})
    job.submit()
    on_disk = {
        path.relative_to(job.run().root).as_posix() for path in job.run().root.rglob("*") if path.is_file()
    }
    job.write(output=s3.uri, accept={"accuracy": 1.0, "on": "holdout"})
    done = job.submit(code=11).json()

    stored = {entry.key for entry in open_store(done["folder"]).list()}

    assert stored - {"writers/000001.json"} == on_disk - {"worker.lock"}
    assert {"predictions.jsonl", "on/predictions.jsonl", "acceptance.json", "bundle/manifest.json"} <= stored
    assert done["folder"].startswith(s3.uri)


def test_another_machine_sees_the_whole_run(
    job: Job, s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """status, logs, report and get by its URI, where nothing of it ever was; the bundle is proved there."""
    job.write(output=s3.uri)
    uri = job.submit().json()["folder"]
    empty_machine(monkeypatch, tmp_path / "other")

    assert job.ftjob("status", uri, "-o", "json").json()["state"] == "Succeeded"
    assert "Optimization" in job.ftjob("logs", uri).out or "iteration" in job.ftjob("logs", uri).out
    job.ftjob("report", uri, "--to", "page.html")
    assert (job.folder / "page.html").read_bytes() == open_store(uri).read("report.html")
    job.ftjob("get", uri, "fetched")
    assert job.ftjob("verify", "fetched", "-o", "json").json()["ok"]


def test_ctrl_c_leaves_a_snapshot_in_the_store(job: Job, s3: Bucket):
    """A graceful end is one whose snapshot is where the run lives, not on the disk that is about to go."""
    job.write(output=s3.uri, solver={"max_iter": 20000, "test_interval": 10000, "snapshot": 10000})
    submitting = start(job)
    wait_until(trains, "iteration 20")
    submitting.send_signal(signal.SIGINT)

    assert submitting.wait(timeout=60) == 10
    store = open_store(location(job))
    status = json.loads(store.read("status.json"))
    assert status["state"] == "Stopped"
    assert status["snapshot"] == status["iteration"]
    assert records(store) == [f"snapshots/iter_{status['iteration']}.json"]


def test_a_run_killed_and_taken_up_by_another_machine_ends_as_if_undisturbed(
    new_job: Callable[[str], Job], s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """With net, data, weights and output in S3: bit-equal weights, each iteration once, the replay shown."""
    first, undisturbed, killed = new_job("first"), new_job("undisturbed"), new_job("killed")
    first.write(output=f"{s3.uri}/runs")
    first.submit()
    first.ftjob("data", "build", "train", f"{s3.uri}/data", "--val", "val", "--size", "32", "--grey")
    open_store(s3.uri).upload(first.folder / "net.prototxt", "net.prototxt")
    inputs = {
        "base": {"net": f"{s3.uri}/net.prototxt", "weights": "run:digits@20"},
        "data": {"train": f"{s3.uri}/data/train", "val": f"{s3.uri}/data/val"},
        "solver": {"max_iter": 400, "test_interval": 200, "snapshot": 100},
    }
    for each in (undisturbed, killed):
        each.write(name=f"tuned-{each.folder.name}", output=f"{s3.uri}/runs", **inputs)
    uri = undisturbed.submit().json()["folder"]
    submitting = start(killed)
    pid = wait_until(lambda: worker("tuned-killed"), "a worker")
    gone = open_store(location(killed, "tuned-killed"))
    wait_until(lambda: records(gone), "a snapshot")
    os.kill(pid, signal.SIGKILL)
    submitting.wait(timeout=60)
    empty_machine(monkeypatch, tmp_path / "other")

    done = killed.submit().json()

    assert done["resumed"]["iteration"] >= 100
    assert done["resumed"]["images_replayed"] == 8 * done["resumed"]["iteration"]
    assert weights(done["folder"]) == weights(uri)
    lines = open_store(done["folder"]).read("metrics/train.jsonl").splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == list(range(1, 401))


def test_two_workers_do_not_write_one_run(
    job: Job, s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The second one sees the first one's sign of life and stops with a sentence; the first one continues
    until it is asked to end, and its last snapshot is there."""
    job.write(output=s3.uri, solver={"max_iter": 20000, "test_interval": 10000, "snapshot": 10000})
    submitting = start(job)
    wait_until(trains, "iteration 20")
    uri = location(job)
    with monkeypatch.context() as elsewhere:
        empty_machine(elsewhere, tmp_path / "other")
        second = job.ftjob("worker", uri, "--attempt", "2", code=5)
    at = status_of(uri)["iteration"]
    wait_until(lambda: status_of(uri)["iteration"] > at, "another iteration of the first worker")
    submitting.send_signal(signal.SIGINT)

    assert "another worker (attempt 1 on " in second.err
    assert submitting.wait(timeout=120) == 10
    status = status_of(uri)
    assert (status["state"], status["attempt"]) == ("Stopped", 1)
    assert records(open_store(uri)) == [f"snapshots/iter_{status['iteration']}.json"]


def test_a_folder_that_may_not_be_written_is_refused_before_anything_starts(job: Job, s3: Bucket):
    """A bucket that is not there is reported at submit, in a sentence, and no worker is started."""
    job.write(output="s3://no-such-bucket-here/runs")

    refused = job.ftjob("submit", "spec.yaml", "--local", code=5)

    assert "s3://no-such-bucket-here" in refused.err
    assert worker() is None


@pytest.mark.timeout(900)
def test_a_run_killed_at_fifteen_random_moments_ends_as_if_undisturbed(
    new_job: Callable[[str], Job], s3: Bucket, reaper: ThreadPoolExecutor
):
    """SIGKILL, 15 times, from the worker's start on: never a half snapshot taken for whole, equal weights."""
    undisturbed, killed = new_job("undisturbed"), new_job("killed")
    solver = {"max_iter": 800, "test_interval": 400, "snapshot": 40}
    for each in (undisturbed, killed):
        each.write(output=f"{s3.uri}/{each.folder.name}", solver=solver)
    uri = undisturbed.submit().json()["folder"]
    chance = random.Random(5)

    killed.ftjob("submit", "spec.yaml", "--local")
    where = location(killed)
    work = work_folder(where)
    kills = 0
    for attempt in range(2, 17):
        pid = wait_until(lambda: local.worker_pid(work), "a worker")
        time.sleep(chance.uniform(0, 1.5))
        if local.worker_pid(work) == pid:
            os.kill(pid, signal.SIGKILL)
            kills += 1
        wait_until(lambda: local.worker_pid(work) is None, "the end of a worker")
        next_one = local.start_worker(where, work, attempt)
        reaper.submit(next_one.wait)
    wait_until(lambda: local.worker_pid(work) is None, "the last one's end")
    done = killed.submit().json()

    assert kills >= 12, "the run ended too early to be killed"
    assert done["state"] == "Succeeded"
    assert weights(done["folder"]) == weights(uri)
