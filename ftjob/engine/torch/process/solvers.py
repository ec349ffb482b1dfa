"""Caffe's solvers (sgd_solver.cpp and its neighbours): from gradients to new weights, in float32 as there."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ftjob.engine.process.snapshotfile import states_of
from ftjob.engine.torch.process.weights import Learnable
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import SolverParameter

UpdateRule = Callable[[SolverParameter, Tensor, Sequence[Tensor], float, int], Tensor]
"""Returns what is subtracted from a param, given the solver, the gradient (which it may change), the history
(changed in place), the rate, and the number of earlier updates."""


def _sgd(solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, _: int) -> Tensor:
    return history[0].mul_(solver.momentum).add_(gradient, alpha=rate)


def _nesterov(
    solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, _: int
) -> Tensor:
    before = history[0].clone()
    now = history[0].mul_(solver.momentum).add_(gradient, alpha=rate)
    return before.mul_(-solver.momentum).add_(now, alpha=1 + solver.momentum)


def _ada_grad(
    solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, _: int
) -> Tensor:
    root = history[0].addcmul_(gradient, gradient).sqrt().add_(solver.delta)
    return gradient.div_(root).mul_(rate)


def _rms_prop(
    solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, _: int
) -> Tensor:
    decay = solver.rms_decay
    root = history[0].mul_(decay).addcmul_(gradient, gradient, value=1 - decay).sqrt().add_(solver.delta)
    return gradient.div_(root).mul_(rate)


def _ada_delta(
    solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, _: int
) -> Tensor:
    momentum, delta = solver.momentum, solver.delta
    gradients, updates = history
    gradients.mul_(momentum).addcmul_(gradient, gradient, value=1 - momentum)
    change = gradient.mul_(((updates + delta) / (gradients + delta)).sqrt_())
    updates.mul_(momentum).addcmul_(change, change, value=1 - momentum)
    return change.mul_(rate)


def _adam(
    solver: SolverParameter, gradient: Tensor, history: Sequence[Tensor], rate: float, before: int
) -> Tensor:
    first, second, beta1, beta2 = *history, solver.momentum, solver.momentum2
    correction = math.sqrt(1 - beta2 ** (before + 1)) / (1 - beta1 ** (before + 1))
    first.mul_(beta1).add_(gradient, alpha=1 - beta1)
    second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
    return (first / second.sqrt().add_(solver.delta)).mul_(rate * correction)


RULES: dict[str, UpdateRule] = {
    "SGD": _sgd,
    "Nesterov": _nesterov,
    "AdaGrad": _ada_grad,
    "RMSProp": _rms_prop,
    "AdaDelta": _ada_delta,
    "Adam": _adam,
}


@dataclass
class TorchSolver:
    """One solver and the history of its params."""

    param: SolverParameter
    learnables: Sequence[Learnable]
    history: list[list[Tensor]] = field(init=False)
    """For each learnable one tensor or two; none for a frozen one."""

    def __post_init__(self) -> None:
        if self.param.type not in RULES:
            raise BadNetError(f"solver: there is no type {self.param.type!r}: choose {', '.join(RULES)}")
        self.history = [
            []
            if each.frozen
            else [torch.zeros_like(each.tensor, requires_grad=False) for _ in range(self.states)]
            for each in self.learnables
        ]

    @property
    def states(self) -> int:
        """Numbers kept for each weight."""
        return states_of(self.param.type)

    def update(self, rate: float, before: int) -> None:
        """Update each param by its gradient and history (SGDSolver::ApplyUpdate), and clear the gradients.

        `before` is the number of earlier updates. To be called under torch.no_grad."""
        moving = [
            (each, history) for each, history in zip(self.learnables, self.history, strict=True) if history
        ]
        clipping = self._clipping([each.tensor.grad for each, _ in moving if each.tensor.grad is not None])
        rule = RULES[self.param.type]
        for each, history in moving:
            gradient = self._gradient(each, clipping)
            each.tensor.sub_(rule(self.param, gradient, history, rate * each.lr_mult, before))
            each.tensor.grad = None

    def _clipping(self, gradients: Sequence[Tensor]) -> float:
        """Return the factor that limits the gradients' common norm to clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0 or not gradients:
            return 1.0
        length = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
        return limit / length if length > limit else 1.0

    def _gradient(self, each: Learnable, clipping: float) -> Tensor:
        """Clip, normalize, regularize. A param that no loss is computed from has a gradient of zero."""
        gradient = each.tensor.grad
        gradient = torch.zeros_like(each.tensor) if gradient is None else gradient
        if clipping != 1:
            gradient.mul_(clipping)
        if self.param.iter_size != 1:
            gradient.mul_(1 / self.param.iter_size)
        decay = self.param.weight_decay * each.decay_mult
        if not decay:
            return gradient
        if self.param.regularization_type == "L1":
            return gradient.add_(each.tensor.sign(), alpha=decay)
        return gradient.add_(each.tensor, alpha=decay)
