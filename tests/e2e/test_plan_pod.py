"""Laws of a pod that plans: what comes of it is its termination message, small and whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ftjob.storage import open_store
from tests.e2e.jobs import Job
from tests.e2e.pods import Pod, absolute_spec, new_pod
from tests.storage.servers import Bucket

PLAN = ("--plan", "--spec", "spec.yaml")


def planned(folder: Path, spec: str, **env: str) -> tuple[int, dict[str, Any], Pod]:
    pod = new_pod(folder, spec).start(*PLAN, **env)
    return pod.wait(), pod.last_words(), pod


def test_a_plan_is_left_and_nothing_else(job: Job, s3: Bucket, tmp_path: Path) -> None:
    """As the submitter would have planned, from inputs in a store; with what they take on a pod's disk."""
    job.ftjob("data", "build", "train", f"{s3.uri}/data", "--val", "val", "--size", "32", "--grey")
    open_store(s3.uri).upload(job.folder / "net.prototxt", "net.prototxt")
    data = {"train": f"{s3.uri}/data/train", "val": f"{s3.uri}/data/val", "resize": None}
    job.write(base={"net": f"{s3.uri}/net.prototxt"}, data=data, output=f"{s3.uri}/runs")
    location, spec = absolute_spec(job.folder / "spec.yaml")
    before = [entry.key for entry in open_store(s3.uri).list()]

    code, words, pod = planned(tmp_path / "pod", spec)

    sizes = [open_store(s3.uri).stat(f"data/{split}/data.mdb") for split in ("train", "val")]
    assert (code, words.keys()) == (0, {"plan"})
    assert words["plan"]["runId"] == location.rpartition("/")[2]
    assert words["plan"]["maxIter"] == 30
    assert words["plan"]["dataBytes"] == sum(size.size for size in sizes if size)
    assert [entry.key for entry in open_store(s3.uri).list()] == before
    left = {path.name for path in pod.folder.iterdir()}
    assert left == {"spec.yaml", "owner.json", "stderr", "termination-log"}


READ_ONLY = """
set -e
mount --bind {writable} {writable}
mount -o remount,bind,ro /
if touch {folder}/writable 2> {writable}/stderr; then exit 99; fi
exec {python} -m ftjob worker --plan --spec {folder}/spec.yaml
"""


@pytest.mark.root
def test_a_plan_needs_no_disk_but_its_cache(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod's root is read-only, and there is no home."""
    assert os.geteuid() == 0, "a root that is read-only is mounted so, and that needs root"
    _, spec = absolute_spec(job.folder / "spec.yaml")
    pod = new_pod(tmp_path / "pod", spec)
    writable = pod.folder / "work"
    writable.mkdir()
    monkeypatch.setenv("FTJOB_CACHE", str(writable / "cache"))
    monkeypatch.setenv("FTJOB_TERMINATION_LOG", str(writable / "termination-log"))
    monkeypatch.setenv("HOME", "/nonexistent")
    script = READ_ONLY.format(writable=writable, folder=pod.folder, python=sys.executable)

    subprocess.run(["unshare", "--mount", "bash", "-c", script], check=True, cwd="/")

    assert json.loads((writable / "termination-log").read_bytes())["plan"]["maxIter"] == 30


@pytest.mark.parametrize(
    ("change", "reason", "words", "passing", "code"),
    [
        ({"base": {"net": "/missing.prototxt"}}, "BadNet", "/missing.prototxt is not there", False, 3),
        ({"base": {"net": "lenett"}}, "BadNet", "lenet", False, 3),
        ({"solver": {"base_lr": -1}}, "BadSpec", "solver.base_lr", False, 2),
        ({"budget": {"hours": 1e-9}}, "BudgetTooSmall", "budget", False, 2),
        ({"base": {"net": "s3://{bucket}/none.prototxt"}}, "BadNet", "none.prototxt", False, 3),
    ],
)
def test_trouble_is_left_with_its_reason_and_exit_code(
    job: Job,
    s3: Bucket,
    tmp_path: Path,
    change: dict[str, Any],
    reason: str,
    words: str,
    passing: bool,
    code: int,
) -> None:
    """In one sentence that says what to do."""
    spec = job.write(output=f"{s3.uri}/runs", **change).read_text().replace("{bucket}", s3.name)
    spec = spec.replace(": train", f": {job.folder}/train").replace(": val", f": {job.folder}/val")
    spec = spec.replace("net: net.", f"net: {job.folder}/net.")

    found, last, _ = planned(tmp_path / "pod", spec)

    assert (found, last.keys()) == (code, {"trouble"})
    assert (last["trouble"]["reason"], last["trouble"]["passing"]) == (reason, passing)
    assert words in last["trouble"]["message"]


def test_a_store_that_does_not_answer_is_trouble_that_passes(job: Job, s3: Bucket, tmp_path: Path) -> None:
    """The controller plans again then."""
    spec = job.write(base={"net": f"{s3.uri}/net.prototxt"}, output=f"{s3.uri}/runs").read_text()
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "FTJOB_STORAGE_DEADLINE": "2"}

    code, last, _ = planned(tmp_path / "pod", spec, **nobody)

    assert (code, last["trouble"]["reason"], last["trouble"]["passing"]) == (5, "StorageUnreachable", True)
