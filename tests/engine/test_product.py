"""The product of a fully connected layer, by the library that is quicker for its size."""

from typing import TYPE_CHECKING, Any

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


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> "list[tuple[int, ...]]":
    """The shapes of the products that oneDNN computed."""
    from ftjob.engine.torch.process.layers import learned

    quick, computed = learned._times_transposed, []

    def counted(left: "Tensor", right: "Tensor") -> Any:
        computed.append((*left.shape, len(right)))
        return quick(left, right)

    monkeypatch.setattr(learned, "_times_transposed", counted)
    assert learned.ONEDNN
    return computed


def test_what_does_not_learn_costs_no_product(products: list[tuple[int, ...]]) -> None:
    """Neither the gradient of frozen weights nor that of a frozen trunk's features is computed."""
    from ftjob.engine.torch.process.layers.learned import product

    x, weights, _, above = tensors(4, MANY)
    product(x, weights.clone().requires_grad_(), None).backward(above)
    product(x.clone().requires_grad_(), weights, None).backward(above)

    assert products == [(4, 512, 512), (512, 4, 512), (4, 512, 512), (4, 512, 512)]


def test_few_weights_and_other_types_are_pytorchs(
    products: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so is a net that is exported: its program must run where PyTorch has no oneDNN."""
    import torch

    from ftjob.engine.torch.process.layers.learned import product

    x, weights, *_ = tensors(4, MANY)
    product(x[:, :5], weights[:7, :5], None)
    product(x.bfloat16(), weights.bfloat16(), None)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    product(x, weights, None)

    assert products == []
