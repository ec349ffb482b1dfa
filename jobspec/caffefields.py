"""Fields and values of Caffe's solvers and data layers that specs are often given, and a remedy for each."""

from collections.abc import Callable, Mapping
from typing import Any

OTHER_NAMES: Mapping[str, str] = {
    "lr": "base_lr",
    "learning_rate": "base_lr",
    "solver_type": "type",
    "max_epoch": "epochs",
    "max_epochs": "epochs",
    "iterations": "max_iter",
    "num_classes": "num_output",
    "classes": "num_output",
    "crop_size": "crop",
    "mean_file": "mean",
    "mean_value": "mean",
    "new_height": "resize",
    "new_width": "resize",
    "seed": "random_seed",
    "source": "train",
    "instance_type": "node",
}
"""Names of Caffe, its forks and other systems → the spec's."""

_NET = "base.net names the net"
_NODE = "resources.node names where it runs"
_ONE_GPU = "a run trains on one GPU"
_PER_CLASS = "the report has the accuracy of every class"
NOT_NEEDED: Mapping[str, str] = {
    **dict.fromkeys(("train_net", "test_net", "net_param", "train_net_param", "test_net_param"), _NET),
    **dict.fromkeys(("solver_mode", "device_id", "gpu", "gpus"), _NODE),
    **dict.fromkeys(("layer_wise_reduce", "per_parameter_reduce", "reduce_buckets"), _ONE_GPU),
    **dict.fromkeys(("eval_type", "ap_version", "show_per_class_result"), _PER_CLASS),
    **dict.fromkeys(("epoch_size", "test_epoch_size"), "the records are counted"),
    **dict.fromkeys(
        ("train_state", "test_state"), "the rules of base.net's layers decide which ones TRAIN and TEST have"
    ),
    **dict.fromkeys(
        ("force_color", "force_gray", "force_encoded_color", "is_color"),
        "images are built with as many channels as the net has",
    ),
    "test_iter": "every record of data.val is tested once",
    "test_initialization": "the first test is always made before the first iteration",
    "test_compute_loss": "every test computes the loss",
    "average_loss": "the metrics keep the loss of every iteration",
    "debug_info": "it changes nothing but the log, which `ftjob plan --explain` reads without it",
    "snapshot_prefix": "snapshots lie in the run's folder",
    "snapshot_format": "snapshots are always binary, Caffe's BINARYPROTO",
    "snapshot_diff": "a run resumes without the gradients",
    "snapshot_after_train": "the last iteration always has a snapshot",
    "store_blobs_in_old_format": "weights are always written as Caffe 1.0 writes them",
    "solver_data_type": "everything is computed in FLOAT",
    "backend": "what lies at data.train is looked at",
    "prefetch": "images are read ahead anyhow",
    "rand_skip": "a run has one reader, which reads every record",
}
"""Fields that Caffe has and ftjob does not need → why."""

_RAMP_UP = "Caffe 1.0 has no rise of the learning rate at the beginning; leave it out and begin with less"
_LARS = "Caffe 1.0 has one learning rate for all layers but for their lr_mult; leave it out"
OF_FORKS: Mapping[str, str] = {
    **dict.fromkeys(("rampup_lr", "rampup_interval"), f"of NVIDIA's fork: {_RAMP_UP}"),
    **dict.fromkeys(("warmup_iter", "warmup_start_lr"), f"of Intel's fork: {_RAMP_UP}"),
    **dict.fromkeys(("local_lr_auto", "local_gw_ratio"), f"of NVIDIA's and Intel's forks: {_LARS}"),
    **dict.fromkeys(
        ("momentum_policy", "max_momentum", "momentum_power"),
        "of NVIDIA's fork: Caffe 1.0's momentum stays as it is; leave it out",
    ),
    "min_lr": "of NVIDIA's fork: Caffe 1.0's learning rate falls without an end; leave it out",
    "plateau_winsize": "of the forks with lr_policy plateau; leave it out",
    "test_interval_epoch": "of NVIDIA's fork: a test every epoch is what leaving it out gives",
}
"""Fields of forks that Caffe 1.0 has nothing for → whose they are, and what to do."""


def _is(*meant: Any) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, bool) and value in meant


_VALUES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("solver", lambda value: isinstance(value, str), "write the fields of that file here, by the same names"),
    ("solver.random_seed", _is(-1), "leave it out: the clock, which Caffe takes for -1, gives no run twice"),
    ("solver.clip_gradients", _is(-1), "leave it out, which is what -1 is to Caffe"),
    ("solver.display", _is(0), "leave it out, or give a large number for hardly ever"),
    ("solver.snapshot", _is(0), "leave it out for one every epoch"),
    ("solver.test_interval", _is(0), "leave it out for one every epoch"),
    ("solver.lr_policy", _is("plateau"), "only NVIDIA's and Intel's forks have plateau"),
    (
        "base.weights",
        lambda value: isinstance(value, list),
        "give one file: of several Caffe copies a later one over those before it",
    ),
)


def of_value(field: str, value: Any) -> str:
    """Return the remedy for a value that means something in Caffe, or nothing."""
    return next((hint for name, holds, hint in _VALUES if name == field and holds(value)), "")
