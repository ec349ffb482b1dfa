"""A run's solver: Caffe's SolverParameter from the spec's."""

import math
from itertools import pairwise

from ftjob.errors import BadSpecError
from ftjob.net.lr_policy import POLICY_FIELDS
from ftjob.net.proto.caffe_pb2 import SolverParameter
from ftjob.net.solver_types import SOLVER_TYPES
from jobspec.fields import iterations
from jobspec.spec import Solver

DEFAULT_EPOCHS = 10


def solver_param(
    solver: Solver,
    *,
    net: str,
    train_records: int,
    val_records: int,
    batch_size: int,
    test_batch_size: int,
    snapshot_prefix: str,
) -> SolverParameter:
    """Return the solver prototxt of a run; `net` is the path of its train_val prototxt.

    An iteration takes batch_size × iter_size × gpus records, so an epoch is that share of train_records,
    rounded up.
    Raises BadSpecError for values that cannot go together.
    """
    epoch = math.ceil(train_records / (batch_size * solver.iter_size * solver.gpus))
    max_iter = max_iterations(solver, train_records, batch_size)
    param = SolverParameter(
        net=net,
        test_iter=[math.ceil(val_records / test_batch_size)],
        test_interval=iterations(solver.test_interval or epoch, max_iter),
        test_initialization=False,
        base_lr=solver.base_lr,
        display=solver.display,
        max_iter=max_iter,
        iter_size=solver.iter_size,
        lr_policy=solver.lr_policy,
        weight_decay=solver.weight_decay,
        regularization_type=solver.regularization_type,
        snapshot=iterations(solver.snapshot or epoch, max_iter),
        snapshot_prefix=snapshot_prefix,
        solver_mode=SolverParameter.CPU,
        random_seed=solver.random_seed,
        type=solver.type,
    )
    if solver.clip_gradients is not None:
        param.clip_gradients = solver.clip_gradients
    _set_policy(param, solver)
    _set_type_fields(param, solver)
    return param


def max_iterations(solver: Solver, train_records: int, batch_size: int) -> int:
    """Return the number of updates of a run: max_iter, or as many as the epochs take, rounded up."""
    if solver.max_iter is not None:
        return solver.max_iter
    epochs = solver.epochs or DEFAULT_EPOCHS
    return math.ceil(epochs * train_records / (batch_size * solver.iter_size * solver.gpus))


def _set_policy(param: SolverParameter, solver: Solver) -> None:
    for field in POLICY_FIELDS[solver.lr_policy]:
        if field == "stepsize":
            param.stepsize = iterations(solver.stepsize, param.max_iter)
        elif field == "stepvalue":
            param.stepvalue.extend(_step_values(solver, param.max_iter))
        else:
            setattr(param, field, getattr(solver, field))


def _step_values(solver: Solver, max_iter: int) -> list[int]:
    values = [iterations(value, max_iter) for value in solver.stepvalue]
    if any(late <= early for early, late in pairwise(values)):
        raise BadSpecError(
            f"solver.stepvalue: must increase, but comes to the iterations {', '.join(map(str, values))} "
            f"of {max_iter}"
        )
    return values


def _set_type_fields(param: SolverParameter, solver: Solver) -> None:
    for field in SOLVER_TYPES[solver.type].reads:
        setattr(param, field, getattr(solver, field))
