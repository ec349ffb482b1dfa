"""Layers in a precision: their bottoms and params are cast to the type that each computes in."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ftjob.engine.torch.process.layers.making import Forward
from ftjob.engine.torch.process.layers.numerics import Numerics
from ftjob.net.precision import Arithmetic


def in_precision(forward: Forward, arithmetic: Arithmetic, numerics: Numerics) -> Forward:
    """Return a layer that casts what it is given: its gradients come back in the type of what was cast.

    A param is cast anew in each pass, so that its gradient, and what the solver makes of it, is float32.
    """
    if numerics.plain or arithmetic is Arithmetic.WITHIN:
        return forward
    if arithmetic is Arithmetic.PRODUCT:
        return lambda bottoms, params: forward(_laid(bottoms, numerics), _laid(params, numerics))
    if arithmetic is Arithmetic.FULL:
        return lambda bottoms, params: forward(_cast(bottoms, torch.float32), params)
    return lambda bottoms, params: forward(bottoms, _cast(params, bottoms[0].dtype) if params else params)


def _cast(tensors: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    return [tensor.to(dtype) for tensor in tensors]


def _laid(tensors: Sequence[Tensor], numerics: Numerics) -> list[Tensor]:
    """Cast tensors, and lay those out as maps that are maps or kernels."""
    return [
        tensor.to(numerics.dtype, memory_format=numerics.layout)
        if tensor.dim() == MAP_AXES
        else tensor.to(numerics.dtype)
        for tensor in tensors
    ]


MAP_AXES = 4
