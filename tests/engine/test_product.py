"""The product of a fully connected layer, by the library that is quicker for its size."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch
MANY = (512, 512)
SHAPES = st.sampled_from([MANY, (1000, 700), (3, 2**18), (8, 5)])


def tensors(images: int, shape: tuple[int, int], seed: int = 0) -> "list[Tensor]":
    """Return images, weights, a bias, and the gradient of their product."""
    import torch

    outputs, inputs = shape
    random = torch.Generator().manual_seed(seed)
    sizes = (images, inputs), shape, (outputs,), (images, outputs)
    return [torch.randn(size, generator=random) for size in sizes]


@given(st.integers(1, 70), SHAPES, st.integers(0, 99), st.booleans(), st.booleans())
def test_it_is_the_product(
    images: int, shape: tuple[int, int], seed: int, transposed: bool, biased: bool
) -> None:
    """With its gradients, but for the rounding of as many additions; also of weights that lie transposed."""
    import torch

    from ftjob.engine.torch.process.layers.learned import product

    x, weights, bias, above = tensors(images, shape, seed)
    laid = weights.t().contiguous().t() if transposed else weights
    ours = [each.requires_grad_() for each in ([x, laid, bias] if biased else [x, laid])]
    exact = [each.detach().double().requires_grad_() for each in ours]
    top, wanted = product(x, laid, bias if biased else None), exact[0] @ exact[1].t()
    if biased:
        wanted = wanted + exact[2]

    found = [top, *torch.autograd.grad(top, ours, above)]
    expected = [wanted, *torch.autograd.grad(wanted, exact, above.double())]

    for each, right, terms in zip(found, expected, [shape[1], shape[0], images, images], strict=False):
        torch.testing.assert_close(each.double(), right, rtol=1e-4, atol=1e-5 * terms**0.5)


def products(compute: Callable[[], object]) -> list[list[list[int]]]:
    """Return the shapes of what oneDNN multiplied."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as seen:
        compute()
    return [each.input_shapes[:2] for each in seen.events() if each.name == "mkldnn::_linear_pointwise"]


def test_what_does_not_learn_costs_no_product() -> None:
    """Neither the gradient of frozen weights nor that of a frozen trunk's features is computed."""
    from ftjob.engine.torch.process.layers.learned import product

    x, weights, _, above = tensors(4, MANY)
    learning = [each.clone().requires_grad_() for each in (x, weights)]
    forward, by_weights = [[4, 512], [512, 512]], [[512, 4], [512, 4]]

    assert products(lambda: product(x, learning[1], None).backward(above)) == [forward, by_weights]
    assert products(lambda: product(learning[0], weights, None).backward(above)) == [forward, forward]


def test_few_weights_and_other_types_are_pytorchs() -> None:
    """oneDNN gains nothing for these."""
    from ftjob.engine.torch.process.layers.learned import product

    x, weights, *_ = tensors(4, MANY)

    assert products(lambda: product(x[:, :5], weights[:7, :5], None)) == []
    assert products(lambda: product(x.bfloat16(), weights.bfloat16(), None)) == []


def test_an_exported_product_is_pytorchs() -> None:
    """Its program must run where PyTorch has no oneDNN."""
    import torch

    from ftjob.engine.torch.process.layers.learned import product

    class Layer(torch.nn.Module):
        def forward(self, x: "Tensor", weights: "Tensor") -> "Tensor":
            return product(x, weights, None)

    x, weights, *_ = tensors(4, MANY)
    program = torch.export.export(Layer(), (x, weights))

    assert [str(node.target) for node in program.graph.nodes if node.op == "call_function"] == [
        "aten.linear.default"
    ]
