"""The torch engine's solvers against their formulas; tests/engine/test_parity.py has them against Caffe."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.net.proto.caffe_pb2 import SolverParameter


@pytest.mark.torch
@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    decay=st.sampled_from([0.0, 5e-4]),
    rates=st.lists(st.sampled_from([1e-7, 1e-3, 0.1, 1.0, 5.0]), min_size=1, max_size=4),
    clip=st.sampled_from([-1.0, 1.0]),
    seed=st.integers(0, 99),
)
def test_an_update_in_one_pass_is_caffes(
    sizes: list[int], momentum: float, decay: float, rates: list[float], clip: float, seed: int
) -> None:
    """SGD's as PyTorch computes it at once: W and V after V = μV + lr (∇ + λW); W -= V, but for rounding."""
    import torch

    from ftjob.engine.torch.process.solvers import TorchSolver
    from ftjob.engine.torch.process.weights import Learnable

    random = torch.Generator().manual_seed(seed)
    param = SolverParameter(type="SGD", momentum=momentum, weight_decay=decay, clip_gradients=clip)
    learnables = [
        Learnable(torch.randn(size, generator=random), lr_mult, decay_mult)
        for size, lr_mult, decay_mult in zip(sizes, (1.0, 2.0, 0.0), (1.0, 0.0, 1.0), strict=False)
    ]
    wanted = [(each.tensor.double(), torch.zeros_like(each.tensor).double()) for each in learnables]
    solver = TorchSolver(param, learnables)
    for before, rate in enumerate(rates):
        moving = [number for number, each in enumerate(learnables) if not each.frozen]
        gradients = {number: torch.randn(sizes[number], generator=random) for number in moving}
        norm = sum(float(gradient.double().square().sum()) for gradient in gradients.values()) ** 0.5
        for number, gradient in gradients.items():
            each, (weights, history) = learnables[number], wanted[number]
            each.tensor.grad = gradient.clone()
            clipped = gradient.double() * (clip / norm if 0 < clip < norm else 1)
            history.mul_(momentum).add_(
                clipped + decay * each.decay_mult * weights, alpha=rate * each.lr_mult
            )
            weights.sub_(history)
        with torch.no_grad():
            solver.update(rate, before)

    for each, kept, (weights, history) in zip(learnables, solver.history, wanted, strict=True):
        torch.testing.assert_close(each.tensor.double(), weights, rtol=1e-5, atol=1e-5)
        for values in kept:
            torch.testing.assert_close(values.double(), history, rtol=1e-5, atol=1e-5)
