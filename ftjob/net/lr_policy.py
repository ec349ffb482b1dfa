"""The learning rate that a solver gives an update."""

import math

from ftjob.errors import BadSpecError
from ftjob.net.proto.caffe_pb2 import SolverParameter

LARGEST_EXPONENT = 700.0  # e to more than this is no float
POLICY_FIELDS = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}
"""What each policy reads (SGDSolver::GetLearningRate)."""


def learning_rate(param: SolverParameter, iteration: int) -> float:
    """Return the rate of the update after `iteration` updates (0 for the first): SGDSolver::GetLearningRate.

    Raises BadSpecError for a policy or stepsize Caffe would not take.
    """
    try:
        return param.base_lr * _rate(param, iteration)
    except OverflowError:
        return math.inf


def _rate(param: SolverParameter, iteration: int) -> float:
    """The factor of base_lr."""
    policy, gamma = param.lr_policy, param.gamma
    if policy == "fixed":
        return 1.0
    if policy == "step":
        return math.pow(gamma, _steps(param, iteration))
    if policy == "exp":
        return math.pow(gamma, iteration)
    if policy == "inv":
        return math.pow(1 + gamma * iteration, -param.power)
    if policy == "multistep":
        return math.pow(gamma, sum(iteration >= value for value in param.stepvalue))
    if policy == "poly":
        return math.pow(max(0.0, 1 - iteration / param.max_iter), param.power)
    if policy == "sigmoid":
        return 1 / (1 + math.exp(min(-gamma * (iteration - param.stepsize), LARGEST_EXPONENT)))
    raise BadSpecError(f'solver.lr_policy: Caffe has no policy "{policy}"; it has {", ".join(POLICY_FIELDS)}')


def _steps(param: SolverParameter, iteration: int) -> int:
    if param.stepsize < 1:
        raise BadSpecError("solver.stepsize: must be 1 or more with lr_policy step")
    return iteration // param.stepsize
