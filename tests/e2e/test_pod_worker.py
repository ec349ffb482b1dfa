"""Laws of a worker in a pod: it brings its spec, keeps its folder's owner, and reports to its cluster."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ftjob.engine.nvml import find_driver
from ftjob.runfolder.status import Status, render
from ftjob.storage import Store, open_store
from tests.e2e.jobs import Job
from tests.e2e.pods import GIVEN, absolute_spec, new_pod
from tests.storage.servers import Bucket

pytestmark = pytest.mark.caffe


def contents(store: Store) -> dict[str, bytes]:
    return {entry.key: store.read(entry.key) for entry in store.list()}


def document(store: Store, key: str) -> dict[str, Any]:
    return dict(json.loads(store.read(key)))


def test_a_run_in_a_store_goes_from_pod_to_pod_and_object_to_object(
    job: Job, s3: Bucket, tmp_path: Path
) -> None:
    """Stopped, taken up by the object that was applied anew, done; and then done at once, and no other's."""
    job.write(output=s3.uri, solver={"max_iter": 1000, "test_interval": 500, "snapshot": 1000})
    location, spec = absolute_spec(job.folder / "spec.yaml")
    store = open_store(location)

    first = new_pod(tmp_path / "first", spec).start(location, "--attempt", "2", *GIVEN, seconds_before=100.0)
    port = first.port()
    while (progress := first.ask(port)).iteration < 5:
        time.sleep(0.1)
    assert (progress.attempt, progress.max_iter, progress.exit_code) == (2, 1000, None)
    assert first.stop() == 10
    end = first.end()
    assert (end.attempt, end.reason, end.exit_code) == (2, "Preempted", 10)
    assert end.iteration == end.snapshot == document(store, "status.json")["snapshot"]
    assert store.read("spec.yaml").decode() == spec
    assert document(store, "owner.json")["attempts_before"] == 0
    stopped = document(store, "status.json")
    assert stopped["seconds"] > 100

    again = new_pod(tmp_path / "again", spec, uid="2").start(location, *GIVEN)
    assert again.wait() == 0, again.stderr
    owner, done = document(store, "owner.json"), document(store, "status.json")
    assert (owner["uid"], owner["attempts_before"], owner["seconds_before"]) == ("2", 2, stopped["seconds"])
    assert (done["attempt"], [each["attempt"] for each in done["attempts"]]) == (3, [2, 3])
    assert done["seconds"] > stopped["seconds"]
    assert {"logs/attempt-2.log", "logs/attempt-3.log"} <= contents(store).keys()
    end = again.end()
    assert (end.attempt, end.reason, end.exit_code, end.iteration) == (1, "Completed", 0, 1000)
    assert (end.accuracy, end.earlier_seconds) == (done["best_accuracy"], stopped["seconds"])

    before = contents(store)
    late = new_pod(tmp_path / "late", spec, uid="3").start(location, *GIVEN)
    assert late.wait() == 0
    end = late.end()
    assert (end.reason, end.exit_code, end.iteration) == ("AlreadyDone", 0, 1000)
    assert end.message == f"run {done['run_id']} is already done: {done['message']}"
    assert (end.accuracy, end.earlier_seconds) == (done["best_accuracy"], done["seconds"])
    thief = new_pod(tmp_path / "thief", spec, namespace="speech").start(location, *GIVEN)
    assert thief.wait() == 2
    end = thief.end()
    assert (end.reason, end.exit_code, end.iteration, end.accuracy) == ("BadSpec", 2, 0, None)
    assert "belongs to FineTuneJob vision/digits of cluster east" in end.message
    assert contents(store) == before


def test_a_user_and_a_cluster_do_not_take_each_others_runs(job: Job, tmp_path: Path) -> None:
    """Neither by a worker nor by a submit, which writes before a worker does."""
    job.write(solver={"base_lr": 1e9, "max_iter": 10})
    location, spec = absolute_spec(job.folder / "spec.yaml")
    folder = open_store(location)
    diverging = new_pod(tmp_path / "diverging", spec).start(location, *GIVEN)
    assert diverging.wait() == 7
    assert (diverging.end().reason, diverging.end().exit_code) == ("Diverged", 7)
    before = contents(folder)

    refused = job.ftjob("submit", "spec.yaml", "--local", code=2)

    assert "belongs to FineTuneJob vision/digits of cluster east" in refused.err
    assert contents(folder) == before
    folder.delete(["owner.json"])
    job.submit(code=7)
    assert document(folder, "owner.json")["kind"] == "local"
    before = contents(folder)
    pod = new_pod(tmp_path / "pod", spec).start(location, *GIVEN)
    assert pod.wait() == 2
    assert "belongs to user " in pod.end().message
    assert contents(folder) == before


def test_a_budget_counts_what_the_folder_and_the_object_had_before(job: Job, tmp_path: Path) -> None:
    """Half of it went to an earlier object, half to this one's earlier pods: nothing is trained any more."""
    job.write(budget={"hours": 0.2})
    location, spec = absolute_spec(job.folder / "spec.yaml")
    folder = open_store(location)
    folder.write("status.json", render(Status("digits", "0", attempt=4, seconds=360.0)).encode())

    pod = new_pod(tmp_path / "pod", spec).start(location, "--attempt", "2", *GIVEN, seconds_before=360.0)

    assert pod.wait() == 9
    end = pod.end()
    assert (end.reason, end.exit_code, end.attempt, end.iteration) == ("BudgetReached", 9, 2, 0)
    assert (end.earlier_seconds, document(folder, "status.json")["attempt"]) == (360.0, 6)
    assert document(folder, "status.json")["seconds"] > 720


@pytest.mark.parametrize(
    ("change", "reason", "code"),
    [
        ({"base": {"net": "/missing.prototxt"}}, "BadNet", 3),
        ({"base": {"net": "lenet"}, "data": {"train": "/missing", "val": "/absent"}}, "BadData", 4),
        ({"base": {"weights": "run:faces"}}, "BadSpec", 2),
        ({"output": "s3://no-such-bucket-here/runs"}, "StorageUnreachable", 5),
    ],
)
def test_every_error_is_a_pods_last_words(
    job: Job, s3: Bucket, tmp_path: Path, change: dict[str, Any], reason: str, code: int
) -> None:
    """With the exit code that the process has."""
    output = str(change.get("output", tmp_path / "runs"))
    spec = job.write(**{"output": output, **change}).read_text()
    pod = new_pod(tmp_path / "pod", spec).start(f"{output}/digits/0123456789", *GIVEN)

    assert pod.wait() == code
    assert (pod.end().reason, pod.end().exit_code) == (reason, code)
    assert len(pod.end().message) > 20


def test_a_gpu_node_without_a_working_driver_is_the_end(job: Job, tmp_path: Path) -> None:
    """Named with its node and where to look; there is no driver where this is tested."""
    if find_driver():
        pytest.skip("an NVIDIA driver answers here")
    job.write(resources={"node": "p2.xlarge"}, output=str(tmp_path / "runs"))
    location, spec = absolute_spec(job.folder / "spec.yaml")
    pod = new_pod(tmp_path / "pod", spec).start(location, *GIVEN)

    assert pod.wait() == 6
    assert pod.end().reason == "EngineCrashed"
    assert "p2.xlarge has a GPU (NVIDIA K80" in pod.end().message
    assert (
        "in this pod no driver answers: see that the node's driver and device plugin work"
        in pod.end().message
    )
