"""Run folders as workers leave them, of any number of classes, without training anything."""

import json
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ftjob.bundle.evaluate import evaluate
from ftjob.client.local_run import Run
from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.predictions import write_evaluated
from ftjob.runfolder.status import Attempt, State, Status, render
from jobspec import dump_spec, parse_spec

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
HEADS = ("loss1/classifier_emotions", "loss2/classifier_emotions", "loss3/classifier_emotions")
SPEC = """\
name: emotions
base: {net: googlenet, weights: /weights/bvlc_googlenet.caffemodel}
data: {train: /faces, val_split: 0.25, crop: 224}
solver: {base_lr: 0.001, max_iter: 4000}
resources: {node: p2.xlarge, spot: prefer}
budget: {usd: 4}
output: runs
"""
FIRST = Attempt(
    attempt=1,
    node="p2.xlarge",
    usd_per_hour=0.27,
    begun=1795750000.0,
    seconds=3000.0,
    usd=0.225,
    reason="SpotReclaimed",
    stages={"start": 240.0, "fetch": 30.0, "open": 10.0, "train": 2600.0, "test": 100.0, "snapshot": 20.0},
    lost_seconds=100.0,
    spot=True,
)
SECOND = Attempt(
    attempt=2,
    node="p2.xlarge",
    usd_per_hour=0.9,
    begun=1795754000.0,
    seconds=1400.0,
    usd=0.35,
    reason="Plateau",
    stages={
        "start": 200.0,
        "fetch": 5.0,
        "open": 5.0,
        "replay": 10.0,
        "train": 1100.0,
        "test": 60.0,
        "bundle": 20.0,
    },
    saved_seconds={"Plateau": 3600.0, "cache": 25.0},
    spot=False,
)


def write_run(root: Path, names: Sequence[str] = SEVEN, *, right: float = 0.75, **status: Any) -> Run:
    """Write the folder of a run of two attempts that ended well, `right` of its images answered right."""
    folder = RunFolder(root / "emotions" / "1f3b9c02aa")
    files.write_text(folder.spec, dump_spec(parse_spec(SPEC, "spec.yaml")))
    files.write_json(folder.plan, plan_json(names))
    evaluation = evaluation_of(names, right)
    keys = [f"{place:08}_{names[label]}.png" for place, label in enumerate(evaluation.answers.labels)]
    write_evaluated(folder.evaluation, folder.predictions, evaluation, keys)
    write_metrics(folder)
    defaults: dict[str, Any] = {
        "state": State.SUCCEEDED,
        "reason": "Plateau",
        "message": "accuracy 0.7500; bundle made",
        "attempt": 2,
        "iteration": 4000,
        "max_iter": 4000,
        "seconds": 4400.0,
        "usd": 0.575,
        "attempts": (FIRST, SECOND),
        "updated": 1795755400.0,
        "ended": 1795755400.0,
        "exit_code": 0,
    }
    files.write_text(folder.status, render(Status("emotions", "1f3b9c02aa", **{**defaults, **status})))
    return Run(str(folder.root))


def evaluation_of(names: Sequence[str], right: float = 0.75, images: int = 40) -> Evaluation:
    """Judge made-up scores of about `images` images per class; neighbours are confused most."""
    random = np.random.default_rng(1)
    count = len(names)
    labels = np.repeat(np.arange(count), random.integers(images // 2, images * 3 // 2, count))
    skill = np.clip(right + random.normal(0, 0.12, count), 0, 1)[labels]
    near = (labels + random.choice([-1, 1, 2], len(labels))) % count
    wrong = np.where(random.random(len(labels)) < 0.7, near, random.integers(0, count, len(labels)))
    answers = np.where(random.random(len(labels)) < skill, labels, wrong)
    scores = np.zeros((len(labels), count), dtype=np.float32)
    scores[np.arange(len(labels)), answers] = 5
    return evaluate(4000, {HEADS[2]: scores}, labels.astype(np.float32), HEADS[2], tuple(names))


def write_metrics(folder: RunFolder, iterations: int = 4000) -> None:
    """Write curves that fall, and rise, as curves do."""
    train, tests = _curves(iterations)
    files.write_text(folder.train_metrics, train)
    files.write_text(folder.test_metrics, tests)


@cache
def _curves(iterations: int) -> tuple[str, str]:
    """Return the lines of training and those of tests."""
    random = np.random.default_rng(1)
    noise = random.normal(0, 0.15, iterations)
    train = [
        {
            "iteration": at + 1,
            "loss": max(0.02, 2.6 * math.exp(-at / 900) + 0.5 + float(noise[at])),
            "learning_rate": 0.001 * 0.1 ** (at // 1320),
            "seconds": 0.6,
            "outputs": {},
        }
        for at in range(iterations)
    ]
    tests = [
        {
            "iteration": at,
            "accuracy": 0.14 + 0.61 * (1 - math.exp(-at / 800)),
            "top5": None,
            "loss": 2.4 * math.exp(-at / 900) + 0.7,
            "heads": {
                head: 0.14 + (0.5 + 0.055 * n) * (1 - math.exp(-at / 800)) for n, head in enumerate(HEADS)
            },
            "learning_rate": 0.001,
            "images": 280,
            "seconds": 4.0,
            "time": 0.0,
        }
        for at in range(0, iterations + 1, iterations // 10)
    ]
    train_text, tests_text = ("".join(json.dumps(each) + "\n" for each in lines) for lines in (train, tests))
    return train_text, tests_text


def plan_json(names: Sequence[str]) -> dict[str, Any]:
    """Return what of plan.json a report reads; tests/e2e has a real one."""
    kinds = {"conv1/7x7_s2": "frozen", "inception_4e/1x1": "copied", **dict.fromkeys(HEADS, "new")}
    shapes = {"conv1/7x7_s2": [[64, 3, 7, 7], [64]], "inception_4e/1x1": [[256, 528, 1, 1], [256]]}
    head = [[len(names), 1024], [len(names)]]
    layers: list[dict[str, Any]] = [
        {"layer": name, "type": "Convolution", "kind": kind, "shapes": shapes.get(name, head)}
        for name, kind in kinds.items()
    ]
    for layer in layers:
        layer |= {"parameters": sum(map(math.prod, layer["shapes"])), "remark": "", "source_shapes": []}
    data = {"path": "/faces", "records": 120 * len(names), "shape": [3, 256, 256], "encoded": True}
    histogram = {str(label): 90 + label % 60 for label in range(len(names))}
    return {
        "base": {
            "net": "googlenet",
            "net_digest": "a" * 64,
            "notes": [],
            "weights": "/weights/bvlc_googlenet.caffemodel",
            "weights_digest": "b" * 64,
            "mean_digest": None,
        },
        "labels": list(names),
        "train": {**data, "histogram": histogram, "digest": "c" * 64},
        "val": {**data, "histogram": histogram, "digest": "d" * 64},
        "mean": [104.0, 117.0, 123.0],
        "mean_file": None,
        "heads": [{"layer": head, "main": head == HEADS[2]} for head in HEADS],
        "frozen": ["conv1/7x7_s2"],
        "transfer": layers,
        "max_iter": 4000,
        "images_per_iteration": 32,
        "epochs": 12.5,
        "node": {"name": "p2.xlarge", "gpu": "NVIDIA K80 (half)"},
        "engine": {"name": "caffe", "why": "the node's GPU is of Caffe's time"},
        "parameters": {
            "total": 10_320_000,
            "trainable": 10_310_000,
            "frozen": 9_472,
            "statistics": 0,
            "new": 21_525,
        },
        "cost": {"total_seconds": 4000.0, "usd": 0.3, "worst_usd": 4.0},
    }
