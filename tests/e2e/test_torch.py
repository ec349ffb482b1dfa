"""The main job with the torch engine: it ends, resumes and answers as with Caffe."""

import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from examples.digits.net import build
from ftjob.client import processes as local
from ftjob.engine.caffe.installed import engine_dir
from ftjob.net.proto.caffe_pb2 import TRAIN, BlobShape, NetState
from ftjob.net.prototxt import to_text
from ftjob.net.topology.phases import filter_net
from ftjob.storage import open_store
from tests.e2e.jobs import Job
from tests.e2e.test_submit import params, start, wait_for_iteration
from tests.engine.nets import layers, write_random_caffemodel
from tests.engines import ENGINES
from tests.storage.servers import Bucket

pytestmark = pytest.mark.torch


def test_a_run_killed_again_and_again_ends_as_if_it_had_not_been(new_job: Callable[[str], Job]):
    """SIGKILL of the worker loses only what came after the last snapshot: crops, mirrors, dropout and all.

    The weights end bit-equal, though nothing is kept of the random numbers.
    """
    undisturbed, killed = new_job("undisturbed"), new_job("killed")
    for each in (undisturbed, killed):
        (each.folder / "dropping.prototxt").write_text(to_text(build()), encoding="utf-8")
        each.write(
            engine="torch",
            base={"net": "dropping.prototxt"},
            data={"mirror": True},
            solver={"max_iter": 300, "test_interval": 150, "snapshot": 50, "momentum": 0.9},
        )
    undisturbed.submit()

    for iteration in (50, 150):
        submitting = start(killed)
        wait_for_iteration(killed, iteration)
        pid = local.worker_pid(killed.run())
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert submitting.wait(timeout=60) == 10
    killed.submit()

    assert killed.status()["attempt"] == 3
    assert killed.status()["resumed"]["iteration"] >= 150
    ends = [params(each.run().caffemodel(300)) for each in (undisturbed, killed)]
    assert ends[0] == ends[1]
    losses = [each.run().train_metrics.read_text().splitlines() for each in (undisturbed, killed)]
    curves = [[(row["iteration"], row["loss"]) for row in map(json.loads, lines)] for lines in losses]
    assert curves[0] == curves[1]


@pytest.mark.caffe
@pytest.mark.parametrize(("maker", "checker"), [("torch", "caffe"), ("caffe", "torch")])
def test_a_bundle_of_one_engine_answers_the_same_with_the_other(job: Job, maker: str, checker: str):
    """Its golden images, within what `verify` allows."""
    job.write(engine=maker)
    job.submit()

    found = job.ftjob("verify", str(job.run().bundle), "--engine", checker, "-o", "json").json()

    assert (found["ok"], found["engine"]) == (True, checker)
    assert 0 < found["images"] == found["same_answers"]


def test_without_caffe_a_run_that_leaves_it_open_trains_with_torch(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The log says so, the plan of the run too, and `verify` needs no Caffe either."""
    monkeypatch.setenv("FTJOB_ENGINES", str(tmp_path / "none"))
    job.submit()

    run = job.run()
    assert "Caffe is not installed on this machine, PyTorch is" in run.log(1).read_text()
    assert json.loads(run.plan.read_text())["engine"]["name"] == "torch"
    assert job.ftjob("verify", str(run.bundle), "-o", "json").json()["engine"] == "torch"
    job.write(engine="caffe")
    assert "Caffe is not installed on this machine: run" in job.submit(code=6).json()["message"]


def test_a_run_in_bf16_makes_a_bundle_of_fp32(job: Job):
    """The plan and the log name the precision; the bundle's scores are fp32's, to more digits than bf16 has,
    whatever the run computed in."""
    job.write(engine="torch", solver={"precision": "bf16"})
    job.submit()

    planned = json.loads(job.run().plan.read_text())["engine"]
    assert (planned["name"], planned["precision"]) == ("torch", "bf16")
    assert " in bf16 on " in job.run().log(1).read_text()
    checked = job.ftjob("verify", str(job.run().bundle), "--engine", "torch", "-o", "json").json()
    assert checked["ok"]
    assert checked["largest_difference"] <= 1e-5


def test_a_run_elsewhere_fetches_the_features_of_another(
    new_job: Callable[[str], Job], s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Two machines with one store: the second computes none, and ends at the first one's weights."""
    net = filter_net(build(), NetState(phase=TRAIN))
    net.layer[0].type = "Input"
    net.layer[0].input_param.shape.extend([BlobShape(dim=(8, 1, 28, 28)), BlobShape(dim=(8,))])
    write_random_caffemodel(net, tmp_path / "base.caffemodel")
    (tmp_path / "nodes.yaml").write_text("local: {teraflops: 0.0001}")  # a store is faster than this
    monkeypatch.setenv("FTJOB_NODES", str(tmp_path / "nodes.yaml"))
    logs, ends = [], []
    for number in (1, 2):
        monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / f"cache{number}"))
        job = new_job(f"node{number}")
        job.write(
            engine="torch",
            base={"net": "net.prototxt", "weights": str(tmp_path / "base.caffemodel")},
            surgery={"freeze": {"up_to": "inception_c"}},
            data={"random_crop": False, "mirror": False},
            solver={"max_iter": 24, "test_interval": 12, "display": number},
            output=f"{s3.uri}/runs",
        )
        job.submit()
        run = open_store(str(job.ftjob("status", "digits", "-o", "json").json()["folder"]))
        logs.append(run.read("logs/attempt-1.log").decode())
        run.download("snapshots/iter_24.caffemodel", tmp_path / f"{number}.caffemodel")
        ends.append(layers(tmp_path / f"{number}.caffemodel"))
        assert not run.list("features")

    names = [entry.key for entry in open_store(f"{s3.uri}/runs/features").list()]
    assert len(names) == 2
    for name in names:
        assert re.search(rf"features: kept for other nodes in \S+/features/{name} ", logs[0])
        assert re.search(rf"features: (\d+) of \1 came from \S+/features/{name} ", logs[1])
    assert "kept for other nodes" not in logs[1]
    for name, blobs in ends[0].items():
        for expected, found in zip(blobs, ends[1][name], strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_frozen_trunk_runs_once_and_changes_nothing(
    new_job: Callable[[str], Job], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str
):
    """A head is trained on kept features, on those that another run kept, and on none: the same weights.

    The plan says before what that saves, and the second run of a sweep computes nothing twice.
    """
    base = new_job("base")
    base.submit()
    base.run().caffemodel(30).rename(tmp_path / "base.caffemodel")

    def train(name: str, **solver: object) -> Job:
        job = new_job(name)
        job.write(
            engine=engine,
            base={"net": "net.prototxt", "weights": str(tmp_path / "base.caffemodel")},
            surgery={"freeze": {"up_to": "inception_c"}},
            data={"mirror": engine == "torch", "random_crop": False},
            solver={"max_iter": 24, "test_interval": 12, **solver},
        )
        job.submit()
        return job

    monkeypatch.setenv("FTJOB_ENGINES", str(engine_dir().parent))
    monkeypatch.setenv("FTJOB_CACHE", str(tmp_path / "cache"))
    kept, other = train("kept"), train("other", base_lr=0.002)
    files = list((tmp_path / "cache" / "features").iterdir())
    monkeypatch.setenv("FTJOB_CACHE_BYTES", "0")
    without = train("without")

    plan = json.loads(kept.run().plan.read_text())
    assert plan["features"]["changes"] == []
    assert plan["features"]["total_seconds"] < plan["features"]["whole_seconds"]
    logs = [job.run().log(1).read_text() for job in (kept, other, without)]
    assert len(files) == 2
    for file in files:
        assert f"in {file}, which has 0 bytes now" in logs[0]
        assert f"in {file}, which has 0 bytes now" not in logs[1]
        assert f"in {file}, which has" in logs[1]
    assert "the trunk runs in every pass: " in logs[2]
    with_features, whole = (layers(job.run().caffemodel(24)) for job in (kept, without))
    for name, blobs in whole.items():
        for expected, found in zip(blobs, with_features[name], strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
