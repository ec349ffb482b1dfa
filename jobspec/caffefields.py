"""Fields and values that users copy from Caffe's solvers and data layers, and a remedy for each."""

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
"""Names in Caffe, its forks and other systems → the spec's."""

_NET = "base.net gives the net"
_NODE = "resources.node gives the machine"
_REDUCED = "GPUs exchange their gradients once, before the update"
_PER_CLASS = "the report has the accuracy of every class"
NOT_NEEDED: Mapping[str, str] = {
    **dict.fromkeys(("train_net", "test_net", "net_param", "train_net_param", "test_net_param"), _NET),
    **dict.fromkeys(("solver_mode", "device_id", "gpu"), _NODE),
    **dict.fromkeys(("layer_wise_reduce", "per_parameter_reduce", "reduce_buckets"), _REDUCED),
    **dict.fromkeys(("eval_type", "ap_version", "show_per_class_result"), _PER_CLASS),
    **dict.fromkeys(("epoch_size", "test_epoch_size"), "ftjob counts the records"),
    **dict.fromkeys(
        ("train_state", "test_state"), "base.net's include and exclude rules decide which layers run"
    ),
    **dict.fromkeys(
        ("force_color", "force_gray", "force_encoded_color", "is_color"),
        "images get as many channels as the net has",
    ),
    "test_iter": "every record of data.val is tested once",
    "test_initialization": "the first test always runs before the first iteration",
    "test_compute_loss": "every test computes the loss",
    "average_loss": "the metrics keep the loss of every iteration",
    "debug_info": "it changes only the log, and `ftjob plan --explain` does not need it",
    "snapshot_prefix": "snapshots are in the run's folder",
    "snapshot_format": "snapshots are always binary, Caffe's BINARYPROTO",
    "snapshot_diff": "a run resumes without the gradients",
    "snapshot_after_train": "the last iteration always has a snapshot",
    "store_blobs_in_old_format": "weights are always written as Caffe 1.0 writes them",
    "solver_data_type": "everything is computed in FLOAT",
    "backend": "ftjob detects the format of data.train",
    "prefetch": "images are always read ahead",
    "rand_skip": "a run has one reader, and it reads every record",
}
"""Caffe's fields that ftjob does not need → why."""

_RAMP_UP = "Caffe 1.0 has no learning-rate warm-up; leave it out and set a lower base_lr"
_LARS = "in Caffe 1.0 layers differ only by lr_mult; leave it out"
OF_FORKS: Mapping[str, str] = {
    **dict.fromkeys(("rampup_lr", "rampup_interval"), f"only in NVIDIA's fork: {_RAMP_UP}"),
    **dict.fromkeys(("warmup_iter", "warmup_start_lr"), f"only in Intel's fork: {_RAMP_UP}"),
    **dict.fromkeys(("local_lr_auto", "local_gw_ratio"), f"only in NVIDIA's and Intel's forks: {_LARS}"),
    **dict.fromkeys(
        ("momentum_policy", "max_momentum", "momentum_power"),
        "only in NVIDIA's fork: in Caffe 1.0 momentum is constant; leave it out",
    ),
    "min_lr": "only in NVIDIA's fork: in Caffe 1.0 the learning rate has no lower limit; leave it out",
    "plateau_winsize": "only in forks with lr_policy plateau; leave it out",
    "test_interval_epoch": "only in NVIDIA's fork: leave it out for a test every epoch",
}
"""Fields of forks without a counterpart in Caffe 1.0 → which fork has them, and what to do."""


def _is(*meant: Any) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, bool) and value in meant


_VALUES: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (
        "solver",
        lambda value: isinstance(value, str),
        "write the fields of that file here, under the same names",
    ),
    (
        "solver.random_seed",
        _is(-1),
        "leave it out: -1 seeds Caffe from the clock, and no run could be repeated",
    ),
    ("solver.clip_gradients", _is(-1), "leave it out, which means the same as Caffe's -1"),
    ("solver.display", _is(0), "leave it out, or give a large number to see hardly any lines"),
    ("solver.snapshot", _is(0), "leave it out for one every epoch"),
    ("solver.test_interval", _is(0), "leave it out for one every epoch"),
    ("solver.lr_policy", _is("plateau"), "only NVIDIA's and Intel's forks have plateau"),
    (
        "base.weights",
        lambda value: isinstance(value, list),
        "give one file: of several, Caffe copies each later one over those before it",
    ),
)


def of_value(field: str, value: Any) -> str:
    """Return the remedy for a value that has a special meaning in Caffe; empty if there is none."""
    return next((hint for name, holds, hint in _VALUES if name == field and holds(value)), "")
