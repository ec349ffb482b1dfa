"""The solver prototxt, and the rate it gives."""

import re
from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import BadSpecError
from ftjob.net.lr_policy import learning_rate
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.prototxt import parse_solver, to_text
from ftjob.net.solver import solver_param
from jobspec.spec import Solver

SIZES = {"train_records": 1000, "val_records": 90, "batch_size": 32, "test_batch_size": 20}
TINY_NET = """
layer { name: "data" type: "DummyData" top: "data" dummy_data_param { shape { dim: 1 dim: 2 } } }
layer { name: "label" type: "DummyData" top: "label" dummy_data_param { shape { dim: 1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }
"""


def _param(**solver: Any) -> SolverParameter:
    return solver_param(Solver(**solver), net="net.prototxt", snapshot_prefix="s/c", **SIZES)


def _tiny(folder: Path, param: SolverParameter) -> Path:
    """The solver prototxt over a net of two numbers, without tests."""
    (folder / "net.prototxt").write_text(TINY_NET)
    param.net, param.snapshot_prefix = str(folder / "net.prototxt"), str(folder / "snapshot")
    param.ClearField("test_iter")
    param.ClearField("test_interval")
    path = folder / "solver.prototxt"
    path.write_text(to_text(param))
    return path


def test_an_epoch_counts_records_not_passes() -> None:
    """With iter_size 2 an iteration takes 64 records: 16 iterations are an epoch, 2.5 epochs are 40."""
    param = _param(iter_size=2, epochs=2.5)

    assert (param.max_iter, param.test_interval, param.snapshot) == (40, 16, 16)
    assert list(param.test_iter) == [5]
    assert not param.test_initialization


def test_shares_are_of_the_run() -> None:
    """A percentage is that share of max_iter, rounded up."""
    param = _param(
        max_iter=90, lr_policy="multistep", stepvalue=["50%", 60], snapshot="5%", test_interval="10%"
    )

    assert list(param.stepvalue) == [45, 60]
    assert (param.snapshot, param.test_interval) == (5, 9)


def test_steps_that_meet_are_refused() -> None:
    """Shares and counts that come out in the wrong order are reported as the iterations they are."""
    with pytest.raises(
        BadSpecError, match="stepvalue: must increase, but comes to the iterations 45, 40 of 90"
    ):
        _param(epochs=2.85, lr_policy="multistep", stepvalue=["50%", 40])


POLICIES: list[dict[str, Any]] = [
    {"lr_policy": "fixed"},
    {"lr_policy": "step", "stepsize": 3},
    {"lr_policy": "multistep", "stepvalue": [2, 3, 7]},
    {"lr_policy": "exp", "gamma": 0.9},
    {"lr_policy": "inv", "gamma": 0.1, "power": 0.75},
    {"lr_policy": "poly", "power": 2.0},
    {"lr_policy": "sigmoid", "gamma": 0.5, "stepsize": 5},
]


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy["lr_policy"])
def test_rate_is_caffes(caffe: Any, policy: dict[str, Any], tmp_path: Path) -> None:
    """At every iteration the rate is the one that Caffe logs, under every policy."""
    param = _param(base_lr=0.02, max_iter=9, display=1, **policy)

    log = caffe.ask("updates", solver=_tiny(tmp_path, param), iterations=9)["log"]

    rates = [float(rate) for rate in re.findall(r"lr = (\S+)", log)]
    assert rates == pytest.approx([learning_rate(param, iteration) for iteration in range(9)], rel=1e-5)


@pytest.mark.parametrize("kind", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_caffe_takes_every_type(caffe: Any, kind: str, tmp_path: Path) -> None:
    """Caffe makes an update with the solver prototxt of each of its types."""
    param = _param(type=kind, max_iter=1)

    caffe.ask("updates", solver=_tiny(tmp_path, param), iterations=1)

    assert parse_solver(to_text(param), "solver") == param


def test_rates_out_of_range_are_returned_not_raised() -> None:
    """A rate that is no float is infinite or next to zero; a policy Caffe does not have is refused."""
    assert learning_rate(SolverParameter(lr_policy="exp", base_lr=1, gamma=10), 10_000) == float("inf")
    assert learning_rate(SolverParameter(lr_policy="sigmoid", base_lr=1, gamma=-10), 10_000) < 1e-300
    with pytest.raises(BadSpecError, match='no policy "cosine"'):
        learning_rate(SolverParameter(lr_policy="cosine"), 0)
    with pytest.raises(BadSpecError, match="stepsize"):
        learning_rate(SolverParameter(lr_policy="step"), 0)
