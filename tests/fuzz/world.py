"""The good files that inputs are made of: one small job, trained to its bundle, and all around it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from ftjob.nodes.profiles import parse_nodes
from ftjob.runfolder.layout import RunFolder

ROOT = Path(__file__).parents[2]
TRAIN_VAL = """\
name: "little"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { mirror: true crop_size: 12 mean_file: "mean.binaryproto" }
  data_param { source: "dataset/train" batch_size: 4 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  data_param { source: "dataset/val" batch_size: 4 backend: LMDB } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 decay_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 1 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 3 alpha: 0.0001 } }
layer { name: "fc" type: "InnerProduct" bottom: "norm1" top: "fc" inner_product_param { num_output: 3
  weight_filler { type: "gaussian" std: 0.01 } bias_filler { type: "constant" value: 0 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy"
  include { phase: TEST } }
"""
SOLVER = """\
net: "net.prototxt"
test_iter: 2
test_interval: 3
base_lr: 0.01
lr_policy: "step"
stepsize: 4
gamma: 0.1
momentum: 0.9
max_iter: 6
snapshot: 3
snapshot_prefix: "snapshots/little"
type: "SGD"
"""
SPEC = """\
name: little
base: {net: net.prototxt, weights: net.caffemodel}
surgery: {heads: auto, num_output: auto, head_lr_mult: 10}
data: {train: dataset/train, val: dataset/val, mean: mean.binaryproto, crop: 12, mirror: true, batch_size: 4}
solver: {base_lr: 0.01, lr_policy: step, stepsize: 50%, max_iter: 6, test_interval: 3, snapshot: 3}
engine: caffe
resources: {node: local}
budget: {usd: 4, hours: 1}
guards: {not_learning: 90%}
accept: {accuracy: 0}
output: runs
"""
NODES = """\
local: {price: {on_demand: 0.25}}
p2.xlarge: {price: {on_demand: 0.9, spot: 0.27}}
lab: {gpu: K80, gpu_memory_gib: 11, gpus: 1, teraflops: 2, gigabytes_per_second: 100, price: {on_demand: 1.5}}
"""
DIGEST = "sha256:" + "0123456789abcdef" * 4
SETTINGS = f"""\
images: {{caffe_cpu: r.example/cpu@{DIGEST}, caffe_cuda: r.example/cuda@{DIGEST},
  torch: r.example/torch@{DIGEST}}}
worker: {{service_account: ftjob-worker, env: {{AWS_REGION: us-east-1}}, cpu: "2"}}
poll_seconds: 5
progress_seconds: 30
max_disruptions: 20
lease_seconds: 15
"""
TIME = "2026-11-28T10:00:00Z"


WRITABLE = ("out", "home", "cache", "tmp")
"""What any verb may write into."""


def run_folder(folder: Path) -> Path:
    """Return where the run lies whose job was trained."""
    return next((folder / "runs" / "little").iterdir())


def environment(folder: Path) -> dict[str, str]:
    """Return ftjob's surroundings: a home, a cache and a temporary folder there, and a store that is away."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "FTJOB_CACHE": str(folder / "cache"),
        "FTJOB_NODES": str(folder / "nodes" / "nodes.yaml"),
        "FTJOB_STORAGE_DEADLINE": "1",
        "KUBECONFIG": "/nonexistent",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def build(folder: Path, engines: Path) -> None:
    """Make the files in a folder that is not there yet. Takes some seconds: real Caffe trains in it."""
    folder.mkdir()
    for place in WRITABLE:
        (folder / place).mkdir()
    (folder / "cache" / "engines").symlink_to(engines)
    rng = np.random.default_rng(1)
    lines = []
    for label, name in enumerate(("ant", "bee", "cow")):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(6):
            noise = rng.integers(0, 40, (16, 16, 3), np.uint8)
            path = Path("images", name, f"{number}.{('png', 'jpg', 'bmp')[number % 3]}")
            Image.fromarray(np.full((16, 16, 3), 60 * label, np.uint8) + noise).save(folder / path)
            lines.append((str(path), label, name))
    (folder / "list.txt").write_text("".join(f"{path} {label}\n" for path, label, _ in lines))
    (folder / "list.csv").write_text("path,label\n" + "".join(f"{path},{name}\n" for path, _, name in lines))
    (folder / "net.prototxt").write_text(TRAIN_VAL)
    (folder / "solver.prototxt").write_text(SOLVER)
    (folder / "nodes").mkdir()
    (folder / "nodes" / "nodes.yaml").write_text(NODES)
    (folder / "controller-config.yaml").write_text(SETTINGS)
    _call(folder, "data", "build", "images", "dataset", "--size", "16", "--val-split", "0.34")
    shutil.copy(folder / "dataset" / "mean.binaryproto", folder / "mean.binaryproto")
    (folder / "first.yaml").write_text(SPEC.replace(", weights: net.caffemodel", ""))
    _call(folder, "submit", "first.yaml", "--local", "--wait", "--yes")
    run = RunFolder(run_folder(folder))
    for found, copy in (
        (run.deploy, "deploy.prototxt"),
        (run.caffemodel(6), "net.caffemodel"),
        (run.log(1), "caffe.log"),
    ):
        shutil.copy(found, folder / copy)
    shutil.copytree(run.bundle, folder / "bundle")
    (folder / "first.yaml").unlink()
    run.lock.write_text("4194304\n")  # no process has this number
    (folder / "cache" / "prices").mkdir()
    (folder / "cache" / "prices" / "us-east-1.json").write_text(json.dumps(_prices()))
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "images.yaml").write_text(
        SPEC.replace("train: dataset/train, val: dataset/val", "train: images, val_split: 0.34, resize: 16")
    )
    (folder / "object.json").write_text(json.dumps(_objects(yaml.safe_load(SPEC)), indent=1))


def _call(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "ftjob", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _prices() -> dict[str, object]:
    """What EC2 answered just now, so that it is not asked again."""
    names = {node.instance_type for node in parse_nodes("", "").values() if node.instance_type}
    price = {"on_demand": 0.9, "spot": 0.27, "zone": "us-east-1a"}
    return {"region": "us-east-1", "when": time.time(), "prices": dict.fromkeys(sorted(names), price)}


def _objects(spec: dict[str, object]) -> dict[str, object]:
    """What users and a damaged store can put into a FineTuneJob and its pod; tests.fuzz.objects reads it."""
    spec = {key: value for key, value in spec.items() if key != "name"}
    spec |= {
        "base": {"net": "googlenet"},
        "data": {"train": "s3://data/train", "val": "s3://data/val"},
        "output": "s3://runs",
    }
    attempts = [{"attempt": 1, "pod": "p", "scheduled": TIME, "seconds": 60, "usdPerHour": 0.9, "usd": 0.015}]
    condition = {"type": "Complete", "status": "False", "reason": "Running", "lastTransitionTime": TIME}
    status = {
        "observedGeneration": 1,
        "state": "Running",
        "reason": "AttemptRunning",
        "message": "",
        "runId": "1f3b9c02aa",
        "folder": "s3://runs/little/1f3b9c02aa",
        "attempt": 1,
        "attempts": attempts,
        "conditions": [condition],
        "plan": {"runId": "1f3b9c02aa", "engine": "caffe", "maxIter": 6, "snapshotBytes": 1000},
    }
    labels = {"kueue.x-k8s.io/queue-name": "q"}
    annotations = {"ftjob.dev/plan": json.dumps(status["plan"]), "ftjob.dev/retry": "1"}
    return {
        "spec": spec,
        "status": status,
        "labels": labels,
        "annotations": annotations,
        "pod": {"ftjob.dev/usd-per-hour": "0.9"},
        "message": json.dumps({"state": "Failed", "reason": "Diverged", "exit_code": 7}),
    }
