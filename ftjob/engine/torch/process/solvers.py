"""Caffe's solvers (sgd_solver.cpp and its neighbours): from gradients to new weights, in float32 as there."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from ftjob.engine.process.snapshotfile import states_of
from ftjob.engine.torch.process.weights import Learnable
from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import SolverParameter

Tensors = Sequence[Tensor]
UpdateRule = Callable[[SolverParameter, Tensors, Sequence[Tensors], float, int], Tensors]
"""Returns what is subtracted from some params, given the solver, their gradients (which it may change), their
histories by state (changed in place), the rate, and the number of earlier updates.

PyTorch's _foreach functions do the same to each tensor: on processors one after the other, to the bit as its
own operations do, on a GPU many in one kernel.
"""


def _sgd(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, _: int
) -> Tensors:
    torch._foreach_mul_(history[0], solver.momentum)
    torch._foreach_add_(history[0], gradients, alpha=rate)
    return history[0]


def _nesterov(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, _: int
) -> Tensors:
    changes: Tensors = torch._foreach_mul(history[0], -solver.momentum)
    _sgd(solver, gradients, history, rate, _)
    torch._foreach_add_(changes, history[0], alpha=1 + solver.momentum)
    return changes


def _by_root(gradients: Tensors, squares: Tensors, delta: float, rate: float) -> Tensors:
    """Divide gradients by the roots of their squares' history."""
    roots = torch._foreach_sqrt(squares)
    torch._foreach_add_(roots, delta)
    torch._foreach_div_(gradients, roots)
    torch._foreach_mul_(gradients, rate)
    return gradients


def _ada_grad(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, _: int
) -> Tensors:
    torch._foreach_addcmul_(history[0], gradients, gradients)
    return _by_root(gradients, history[0], solver.delta, rate)


def _rms_prop(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, _: int
) -> Tensors:
    _decay(history[0], gradients, solver.rms_decay)
    return _by_root(gradients, history[0], solver.delta, rate)


def _ada_delta(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, _: int
) -> Tensors:
    squares, updates = history
    _decay(squares, gradients, solver.momentum)
    ratios = torch._foreach_add(updates, solver.delta)
    torch._foreach_div_(ratios, torch._foreach_add(squares, solver.delta))
    torch._foreach_sqrt_(ratios)
    torch._foreach_mul_(gradients, ratios)
    _decay(updates, gradients, solver.momentum)
    torch._foreach_mul_(gradients, rate)
    return gradients


def _adam(
    solver: SolverParameter, gradients: Tensors, history: Sequence[Tensors], rate: float, before: int
) -> Tensors:
    first, second, beta1, beta2 = *history, solver.momentum, solver.momentum2
    correction = math.sqrt(1 - beta2 ** (before + 1)) / (1 - beta1 ** (before + 1))
    torch._foreach_mul_(first, beta1)
    torch._foreach_add_(first, gradients, alpha=1 - beta1)
    _decay(second, gradients, beta2)
    roots = torch._foreach_sqrt(second)
    torch._foreach_add_(roots, solver.delta)
    changes: Tensors = torch._foreach_div(first, roots)
    torch._foreach_mul_(changes, rate * correction)
    return changes


def _decay(means: Tensors, values: Tensors, share: float) -> None:
    """Add the values' squares to their running means."""
    torch._foreach_mul_(means, share)
    torch._foreach_addcmul_(means, values, values, value=1 - share)


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

    def gradients(self) -> list[Tensor]:
        """Return the gradients that there are, which may be changed."""
        moving = [each.tensor for each in self.learnables if not each.frozen]
        return [tensor.grad for tensor in moving if tensor.grad is not None]

    def update(self, rate: float, before: int) -> None:
        """Update each param by its gradient and history (SGDSolver::ApplyUpdate), and clear the gradients.

        `before` is the number of earlier updates. To be called under torch.no_grad."""
        clipping = self._clipping(self.gradients())
        for group in self.groups:
            tensors = [self.learnables[index].tensor for index in group]
            history = [[self.history[index][state] for index in group] for state in range(self.states)]
            first = self.learnables[group[0]]
            own_rate, decay = rate * first.lr_mult, self.param.weight_decay * first.decay_mult
            gradients = self._gradients(tensors, clipping)
            if self._in_one_pass and not first.tensor.is_cuda:
                self._pass(tensors, gradients, history[0], own_rate, decay)
            else:
                self._regularize(tensors, gradients, decay)
                changes = RULES[self.param.type](self.param, gradients, history, own_rate, before)
                torch._foreach_sub_(tensors, changes)
            for tensor in tensors:
                tensor.grad = None

    @property
    def _in_one_pass(self) -> bool:
        solver = self.param
        return solver.type == "SGD" and solver.regularization_type == "L2" and solver.momentum != 0

    def _pass(
        self, tensors: Tensors, gradients: Tensors, history: Tensors, rate: float, decay: float
    ) -> None:
        """Update as `_sgd` does, but read and write each number once: processors wait for memory here.

        PyTorch's own SGD has the rate outside of its history: V = μV + (1 - dampening) ∇; W -= lr V.
        """
        torch._fused_sgd_(
            tensors, gradients, history, weight_decay=decay, momentum=self.param.momentum, lr=1.0,
            dampening=1 - rate, nesterov=False, maximize=False, is_first_step=False,
        )  # fmt: skip

    def skip(self) -> None:
        """Clear the gradients without an update."""
        for each in self.learnables:
            each.tensor.grad = None

    @cached_property
    def groups(self) -> list[list[int]]:
        """The learnables that are updated together, by number.

        On a GPU all with the same multipliers; on processors each alone, while it is in their cache.
        """
        groups: dict[tuple[float, ...], list[int]] = {}
        for index, each in enumerate(self.learnables):
            if not each.frozen:
                alone = () if each.tensor.is_cuda else (float(index),)
                groups.setdefault((each.lr_mult, each.decay_mult, *alone), []).append(index)
        return list(groups.values())

    def _clipping(self, gradients: Sequence[Tensor]) -> float:
        """Return the factor that limits the gradients' common norm to clip_gradients."""
        limit = self.param.clip_gradients
        if limit < 0 or not gradients:
            return 1.0
        squares: list[float] = torch.stack([gradient.square().sum() for gradient in gradients]).tolist()
        length = math.sqrt(sum(squares))
        return limit / length if length > limit else 1.0

    def _gradients(self, tensors: Tensors, clipping: float) -> Tensors:
        """Clip and normalize. A param that no loss is computed from has a gradient of zero."""
        gradients = [torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for tensor in tensors]
        if clipping != 1:
            torch._foreach_mul_(gradients, clipping)
        if self.param.iter_size != 1:
            torch._foreach_mul_(gradients, 1 / self.param.iter_size)
        return gradients

    def _regularize(self, tensors: Tensors, gradients: Tensors, decay: float) -> None:
        if decay:
            is_l1 = self.param.regularization_type == "L1"
            torch._foreach_add_(gradients, torch._foreach_sign(tensors) if is_l1 else tensors, alpha=decay)
