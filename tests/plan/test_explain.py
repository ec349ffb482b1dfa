"""Failed trainings: first those of real Caffe, then those that need a GPU, a full disk or a long time."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from benchmarks.plan import write_lmdb
from ftjob import api
from ftjob.engine.caffe.installed import find_caffe
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.topology.phases import phase_view
from jobspec import JobSpec

SPEC = {
    "name": "small",
    "base": {"net": "lenet"},
    "data": {"train": "train", "val": "val", "crop": 28, "scale": 1 / 256, "mean": [1.0], "batch_size": 4},
    "solver": {"max_iter": 60, "display": 5, "base_lr": 0.01, "lr_policy": "fixed", "snapshot": 60},
    "output": "runs",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's files, as `ftjob plan --prototxt` writes them, and a snapshot."""
    folder = tmp_path_factory.mktemp("small")
    write_lmdb(folder / "train", 16, classes=7, channels=1, side=32)
    write_lmdb(folder / "val", 7, classes=7, channels=1, side=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        api.write_prototxts(api.plan(JobSpec.model_validate(SPEC)), folder)
    train(folder, "-solver", "net/solver.prototxt")
    return folder


def train(folder: Path, *options: str) -> Path:
    """Run `caffe train` to its end; return its log."""
    log = folder / "train.log"
    with log.open("wb") as file:
        caffe(folder, file, *options).wait()
    return log


def caffe(folder: Path, log: object, *options: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [find_caffe().program("caffe"), "train", *options],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def changed(folder: Path, name: str, old: str, new: str) -> tuple[str, str]:
    """Options that train with a changed solver or train_val; the files themselves stay."""
    source = folder / "net" / f"{name}.prototxt"
    text = source.read_text()
    assert old in text
    copy = source.with_name("changed.prototxt")
    copy.write_text(text.replace(old, new, 1))
    if name == "solver":
        return "-solver", "net/changed.prototxt"
    solver = (folder / "net" / "solver.prototxt").read_text().replace("net/train_val", "net/changed")
    (folder / "net" / "changed_solver.prototxt").write_text(solver)
    return "-solver", "net/changed_solver.prototxt"


REAL: dict[str, tuple[Callable[[Path], tuple[str, ...]], str, str]] = {
    "a caffemodel as snapshot": (
        lambda folder: (
            *("-solver", "net/solver.prototxt"),
            *("-snapshot", "snapshots/caffe_iter_60.caffemodel"),
        ),
        "snapshots/caffe_iter_60.caffemodel has weights only, but was given as the snapshot to resume from",
        "base:\n  weights: snapshots/caffe_iter_60.caffemodel",
    ),
    "a learning rate too high": (
        lambda folder: changed(folder, "solver", "base_lr: 0.01", "base_lr: 1000"),
        "the loss is nan from iteration 5 on: the training diverged",
        "solver:\n  base_lr: 100",
    ),
    "a learning rate too low": (
        lambda folder: changed(folder, "solver", "base_lr: 0.01", "base_lr: 1e-9"),
        "nothing is learned: the loss stays at chance, near ln 7 for 7 classes",
        "solver:\n  base_lr: 1e-08",
    ),
    "weights of other shapes": (
        lambda folder: (
            *changed(folder, "train_val", "num_output: 7", "num_output: 9"),
            *("-weights", "snapshots/caffe_iter_60.caffemodel"),
        ),
        "layer ip2_small has shape 7 500 in the weights and 9 500 in the net",
        "surgery:\n  heads: auto\n  relearn: [ip2_small]   # where it is no head",
    ),
    "an unknown layer type": (
        lambda folder: changed(folder, "train_val", '"InnerProduct"', '"InnerProdukt"'),
        "the TRAIN net has a layer of type InnerProdukt, which this Caffe does not have",
        "",
    ),
    "an unknown field": (
        lambda folder: changed(folder, "train_val", "kernel_size:", "kernel_sice:"),
        'Message type "caffe.ConvolutionParameter" has no field named "kernel_sice"',
        "",
    ),
    "an LMDB that is not there": (
        lambda folder: changed(folder, "train_val", "/val", "/vel"),
        "the LMDB {folder}/vel of the TEST net cannot be read (No such file or directory)",
        "",
    ),
    "a crop larger than the images": (
        lambda folder: changed(folder, "train_val", "crop_size: 28", "crop_size: 48"),
        "the images in {folder}/train are 32 pixels high or wide, less than data.crop 48",
        "data:\n  crop: 32",
    ),
}


@pytest.mark.caffe
@pytest.mark.parametrize("case", REAL)
def test_what_caffe_logs_is_explained(trained: Path, case: str) -> None:
    """Cause in one sentence, a patch where a change of the spec helps, both from the log alone."""
    options, cause, patch = REAL[case]

    found = api.explain(str(train(trained, *options(trained))))

    assert found.cause.endswith(cause.format(folder=trained))
    assert found.patch == patch
    assert (found.healthy, bool(found.seen), "\n" in found.cause) == (False, True, False)


@pytest.mark.caffe
@pytest.mark.parametrize(
    ("number", "cause", "healthy"),
    [
        (signal.SIGKILL, "the process was killed from outside", False),
        (signal.SIGTERM, "the process was killed from outside", False),
        (signal.SIGINT, "it was stopped by a signal, after a snapshot", True),
    ],
)
def test_ends_by_signals_are_distinguished(
    trained: Path, number: signal.Signals, cause: str, healthy: bool
) -> None:
    """A log that ends in the middle was killed; SIGINT lets Caffe end well."""
    log = trained / "train.log"
    options = changed(trained, "solver", "max_iter: 60", "max_iter: 100000")
    with log.open("wb") as file:
        process = caffe(trained, file, *options)
        while b"Iteration 5 " not in log.read_bytes():
            time.sleep(0.02)
        process.send_signal(number)
        process.wait()

    found = api.explain(str(log))

    assert (found.cause.startswith(cause), found.healthy) == (True, healthy)


@pytest.mark.caffe
def test_a_training_that_went_well_has_nothing_wrong(trained: Path) -> None:
    """Healthy, and no remedy."""
    found = api.explain(str(train(trained, "-solver", "net/solver.prototxt")))

    assert (found.cause, found.fix, found.patch, found.healthy) == ("nothing is wrong here", "", "", True)


STAMP = "1122 00:23:56.773487  8924 "
NET = Path(__file__).parents[1] / "net" / "nets" / "three_heads.prototxt"
THREE = to_text(phase_view(parse_net(NET.read_text(), NET.name), TRAIN))
BEGUN = f"I{STAMP}solver.cpp:57] Solver scaffolding done.\nI{STAMP}solver.cpp:289] Solving small\n"
CUDA = "Check failed: error == cudaSuccess (2 vs. 0)  out of memory"


def log_of(
    losses: dict[str, list[float]], net: str = THREE, accuracy: tuple[float, ...] = (), every: int = 20
) -> str:
    """The log of a training with some losses every so many iterations, and some accuracies."""
    lines = [f"I{STAMP}solver.cpp:45] Initializing solver from parameters: ", "base_lr: 0.001"]
    lines += [f"I{STAMP}net.cpp:53] Initializing net from parameters: ", net]
    for number in range(len(next(iter(losses.values())))):
        lines.append(f"I{STAMP}solver.cpp:239] Iteration {every * number} (9 iter/s, 1s/20 iters), loss = 1")
        lines += [
            f"I{STAMP}solver.cpp:258]     Train net output #0: {blob} = {values[number]} (* 1 = 1 loss)"
            for blob, values in losses.items()
        ]
    for number, value in enumerate(accuracy):
        lines.append(f"I{STAMP}solver.cpp:347] Iteration {20 * number}, Testing net (#0)")
        lines.append(f"I{STAMP}solver.cpp:414]     Test net output #0: accuracy = {value}")
    return "\n".join([*lines, f"I{STAMP}caffe.cpp:250] Optimization Done.\n"])


FLAT, FALLING = [2.4, 2.3, 2.29, 2.31, 2.3, 2.31, 2.3], [2.3, 2.0, 1.5, 1.0, 0.8, 0.5, 0.4]
"""Of ten classes, as tests/net/nets/three_heads.prototxt has."""
HEADS = ("loss1/loss1", "loss2/loss1", "loss3/loss3")


def three(*losses: list[float]) -> dict[str, list[float]]:
    return dict(zip(HEADS, losses, strict=True))


TEXTS = {
    "saturated": (
        log_of(three(FALLING, FALLING, [2.3, 87.3365, 87.3365, 87.3365, 87.3365, 87.3365, 87.3365])),
        "the loss is 87.3365 from iteration 20 on: -ln of the smallest float",
        "base_lr: 0.0001",
    ),
    "infinite": (log_of(three(FALLING, FALLING, [2.3, *[float("-inf")] * 6])), "the loss is -inf", "base_lr"),
    "an absurd first loss": (
        log_of(three(FALLING, FALLING, [75.2, *FALLING[1:]])),
        "the very first loss of loss3/classifier is 75.2, where 10 classes start at ln 10 = 2.303",
        "num_output: auto",
    ),
    "one head is missing": (
        log_of(three(FALLING, FALLING, FLAT)),
        "head loss3/classifier is not learning while loss1/classifier, loss2/classifier is",
        "heads: auto",
    ),
    "all stay high": (log_of(three([2.6] * 7, [2.6] * 7, [2.6] * 7)), "nothing is learned", "0.01"),
    "all are flat": (log_of(three(FLAT, FLAT, FLAT)), "nothing is learned", "base_lr: 0.01"),
    "an accuracy of another head": (
        log_of(three(FALLING, FALLING, FALLING), accuracy=(0.1, 0.11, 0.09, 0.1)),
        "the loss of loss3/classifier falls, but accuracy stays at 1/10, which is chance",
        "heads: auto",
    ),
    "memory of the GPU": (f"F{STAMP}syncedmem.cpp:71] {CUDA}", "the GPU's memory is full", "batch_size"),
    "memory of the machine": (f"{BEGUN}  what():  std::bad_alloc\n", "Caffe ran out of memory", "batch_size"),
    "disk": (f"{BEGUN}write: No space left on device", "the disk is full", ""),
    "a share of a disk": (f"{BEGUN}OSError: [Errno 122] Disk quota exceeded", "the disk is full", ""),
    "a required field": (
        "[libprotobuf ERROR google/protobuf/message_lite.cc:123] Can't parse message of type "
        '"caffe.NetParameter" because it is missing required fields: layer[0].x.min\n'
        f"F{STAMP}io.cpp:7] Check failed: x Failed to parse NetParameter file: a.prototxt",
        "a.prototxt: it lacks layer[0].x.min",
        "",
    ),
    "labels": (f"F{STAMP}x.cpp:7] Check failed: label_value < 7 (9 vs. 7)", "a label is outside", "auto"),
    "a crash": (
        f"I{STAMP}net.cpp:1] fine\n*** SIGSEGV (@0x0) received by PID 8 ***\n",
        "Caffe read memory that is not its own",
        "num_output: auto",
    ),
    "the kernel": (f"I{STAMP}solver.cpp:239] Iteration 5, loss = 1\nKilled\n", "killed from outside", ""),
    "a lock": (
        f"F{STAMP}db_lmdb.hpp:15] Check failed: mdb_status == 0 (13 vs. 0) Permission denied",
        "cannot be opened (Permission denied)",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_what_cannot_be_made_here_is_explained_from_its_text(tmp_path: Path, case: str) -> None:
    """Each with its own cause and the line of the spec to change."""
    text, cause, patch = TEXTS[case]
    (tmp_path / "train.log").write_text(text)

    found = api.explain(str(tmp_path / "train.log"))

    assert cause in found.cause
    assert patch in found.patch
    assert isinstance(yaml.safe_load(found.patch or "{}"), dict)
    assert found.fix


def test_a_frozen_head_is_named_as_frozen(tmp_path: Path) -> None:
    """With lr_mult 0 in the net that Caffe printed its flat loss has that reason."""
    frozen = THREE.replace(
        'name: "loss3/classifier"\n', 'name: "loss3/classifier" param { lr_mult: 0 } param { lr_mult: 0 }\n'
    )
    (tmp_path / "train.log").write_text(log_of(three(FALLING, FALLING, FLAT), net=frozen))

    assert api.explain(str(tmp_path / "train.log")).cause.startswith("head loss3/classifier is frozen")


def test_a_log_may_come_through_a_pipe() -> None:
    """As `<(kubectl logs ...)` gives it."""
    reading, writing = os.pipe()
    os.write(writing, log_of(three(FALLING, FALLING, [2.3, *[float("nan")] * 6]), net="").encode())
    os.close(writing)

    assert "the training diverged" in api.explain(f"/dev/fd/{reading}").cause
    os.close(reading)


@pytest.mark.parametrize(
    ("losses", "every"),
    [
        (three(FALLING, FALLING, FALLING), 20),
        (three(FLAT[:3], FLAT[:3], FLAT[:3]), 100),
        (three(FLAT, FLAT, FLAT), 5),
    ],
)
def test_no_alarm_without_cause(tmp_path: Path, losses: dict[str, list[float]], every: int) -> None:
    """Losses that fall, and losses at chance that are too few or too early to say anything."""
    (tmp_path / "train.log").write_text(log_of(losses, accuracy=(0.1, 0.5, 0.8), every=every))

    assert api.explain(str(tmp_path / "train.log")).healthy
