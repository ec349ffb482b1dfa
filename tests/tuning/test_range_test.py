"""Laws of the run that a range test is."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason
from ftjob.net.lr_policy import learning_rate
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.solver import solver_param
from ftjob.runfolder.status import State, Status
from ftjob.tuning.range_test import RateSpan, is_settled, range_test_of
from jobspec import JobSpec, dump_spec, parse_spec
from jobspec.grammar import RUN_NAME

SPEC: dict[str, Any] = {
    "name": "emotions",
    "base": {"net": "googlenet", "weights": "s3://models/bvlc_googlenet.caffemodel"},
    "surgery": {"freeze": {"up_to": "inception_4e"}},
    "data": {"train": "s3://data/train", "val": "s3://data/val", "batch_size": 60},
    "solver": {"iter_size": 2, "momentum": 0.8, "weight_decay": 0.001},
    "resources": {"node": "p2.xlarge", "spot": True},
    "budget": {"usd": 4.0},
    "output": "s3://runs",
}
SPAN = RateSpan()
spans = st.builds(
    RateSpan,
    first=st.floats(-9, -2).map(lambda power: 10**power),
    last=st.floats(-1, 2).map(lambda power: 10**power),
    iterations=st.integers(50, 2000),
)


def changed(**changes: Any) -> JobSpec:
    """The spec with some sections changed."""
    sections = {name: {**SPEC.get(name, {}), **change} for name, change in changes.items()}
    return JobSpec.model_validate({**SPEC, **sections})


def solver_of(test: JobSpec) -> SolverParameter:
    """The solver prototxt of a test; its numbers are floats of 32 bits."""
    return solver_param(
        test.solver,
        net="net.prototxt",
        train_records=1000,
        val_records=100,
        batch_size=60,
        test_batch_size=50,
        snapshot_prefix="a",
    )


@given(spans)
@settings(max_examples=20)
def test_the_rate_rises_evenly_from_the_first_to_the_last(span: RateSpan):
    """As Caffe computes it, in as many iterations as asked for."""
    test = range_test_of(changed(), span)
    param = solver_of(test)
    rates = [learning_rate(param, index) for index in range(span.iterations)]

    assert param.max_iter == span.iterations
    assert rates[0] == pytest.approx(span.first, rel=1e-3)
    assert rates[-1] == pytest.approx(span.last, rel=1e-2)
    assert all(later / earlier == pytest.approx(span.gamma) for earlier, later in pairwise(rates))


def test_it_is_on_the_net_and_data_of_the_spec():
    """And on its batch, momentum, node and money; it is tested at both ends only and has nothing to reach."""
    spec = changed(accept={"accuracy": 0.8}, guards={"patience": 3, "idle_minutes": 30.0})
    test = range_test_of(spec, SPAN)

    assert test.name == "emotions-lr"
    for section in ("base", "surgery", "data", "engine", "resources", "budget", "output"):
        assert getattr(test, section) == getattr(spec, section)
    assert (test.solver.iter_size, test.solver.momentum, test.solver.weight_decay) == (2, 0.8, 0.001)
    assert (solver_of(test).test_interval, solver_of(test).snapshot) == (100, 100)
    assert (test.guards.not_learning, test.guards.patience, test.guards.idle_minutes) == (False, False, 30.0)
    assert test.accept == changed().accept


@pytest.mark.parametrize(
    "changes",
    [
        {"solver": {"base_lr": 0.1}},
        {"solver": {"lr_policy": "multistep", "stepvalue": ["50%"], "gamma": 0.5}},
        {"solver": {"lr_policy": "poly", "power": 2.0, "epochs": 30.0}},
        {"solver": {"max_iter": 7, "test_interval": 3, "snapshot": "10%", "stepsize": 5}},
        {"accept": {"accuracy": 0.9}},
        {"guards": {"diverged": False, "not_learning": 100}},
    ],
)
def test_what_it_is_to_find_out_is_no_part_of_it(changes: dict[str, Any]):
    """The suggested rate in the spec, or another schedule: the test is still the same run."""
    assert range_test_of(changed(**changes), SPAN) == range_test_of(changed(), SPAN)


@given(st.from_regex(RUN_NAME, fullmatch=True))
@settings(max_examples=30)
def test_its_name_is_a_runs(name: str):
    """However long the spec's is; and the test can be written down and read."""
    test = range_test_of(JobSpec.model_validate({**SPEC, "name": name}), SPAN)

    assert test.name.endswith("-lr")
    assert test.name[:-3] == name[:37].rstrip("-")
    assert parse_spec(dump_spec(test), "spec.yaml") == test


def test_it_may_have_a_name_of_its_own():
    """On a cluster, where a name is one FineTuneJob's, for a second test of other rates."""
    assert range_test_of(changed(), SPAN, "wider").name == "wider"
    with pytest.raises(BadSpecError, match="tune lr: Wider is no run's name: give 1 to 40 lower-case"):
        range_test_of(changed(), SPAN, "Wider")


@pytest.mark.parametrize("kind", ["SGD", "AdaGrad", "Adam"])
def test_every_solver_can_be_tested(kind: str):
    """Those without momentum too."""
    solver = {"iter_size": 2, "type": kind}

    assert range_test_of(JobSpec.model_validate({**SPEC, "solver": solver}), SPAN).solver.type == kind


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ((1e-6, 1.0, 49), "49 iterations: give 50 to 10,000"),
        ((1e-6, 1.0, 10_001), "10001 iterations: give 50 to 10,000"),
        ((0.0, 1.0, 100), "rates from 0 to 1: give rates above 0"),
        ((-1.0, 1.0, 100), "rates from -1 to 1: give rates above 0"),
        ((0.1, 0.9, 100), "the last of them 10 times the first or more"),
        ((1e-6, float("inf"), 100), "rates from 1e-06 to inf"),
        ((float("nan"), 1.0, 100), "rates from nan to 1"),
    ],
)
def test_a_span_that_tests_nothing_is_refused(values: tuple[float, float, int], sentence: str):
    """Before anything is planned."""
    with pytest.raises(BadSpecError, match=sentence):
        RateSpan(*values)


@pytest.mark.parametrize(
    ("state", "reason", "rises", "settled"),
    [
        (State.SUCCEEDED, Reason.COMPLETED, True, True),
        (State.SUCCEEDED, Reason.COMPLETED, False, True),
        (State.FAILED, Reason.DIVERGED, True, True),
        (State.FAILED, Reason.DIVERGED, False, False),
        (State.FAILED, Reason.ENGINE_CRASHED, True, False),
        (State.STOPPED, Reason.PREEMPTED, True, False),
        (State.STOPPED, Reason.BUDGET_REACHED, True, False),
        (State.RUNNING, Reason.STARTED, True, False),
    ],
)
def test_a_test_that_diverged_is_not_made_again(state: State, reason: Reason, rises: bool, settled: bool):
    """Other runs that diverged resume, as do tests that something else ended."""
    spec = range_test_of(changed(), SPAN) if rises else changed(solver={"lr_policy": "exp", "gamma": 0.9})

    assert is_settled(spec, Status("emotions-lr", "1f3b9c02aa", state, reason)) is settled


def test_a_rising_rate_may_be_left_to_diverge():
    """With the guard off, its user wants to see more: submitting resumes."""
    spec = changed(solver={"lr_policy": "exp", "gamma": 1.1}, guards={"diverged": False})

    assert not is_settled(spec, Status("emotions", "1f3b9c02aa", State.FAILED, Reason.DIVERGED))
