"""The initial values of params (filler.hpp). The distributions are Caffe's, the random numbers are not."""

from math import prod

import numpy as np
from numpy.typing import NDArray

from ftjob.net.layers.rule import Shape
from ftjob.net.proto.caffe_pb2 import FillerParameter

Filled = NDArray[np.float32]


def fill(filler: FillerParameter, shape: Shape, random: np.random.Generator) -> Filled:
    """Return an array filled by a FillerParameter, whose type the parser has checked."""
    if filler.type == "constant":
        return np.full(shape, filler.value, np.float32)
    if filler.type == "uniform":
        return np.asarray(random.uniform(filler.min, filler.max, shape), np.float32)
    if filler.type == "gaussian":
        return _gaussian(filler, shape, random)
    if filler.type == "xavier":
        limit = np.sqrt(3 / _fan(filler, shape))
        return np.asarray(random.uniform(-limit, limit, shape), np.float32)
    if filler.type == "msra":
        return np.asarray(random.standard_normal(shape) * np.sqrt(2 / _fan(filler, shape)), np.float32)
    if filler.type == "positive_unitball":
        values = random.random((shape[0], prod(shape[1:])))
        return np.asarray(values / values.sum(1, keepdims=True), np.float32).reshape(shape)
    return _bilinear(shape)


def _gaussian(filler: FillerParameter, shape: Shape, random: np.random.Generator) -> Filled:
    values = filler.mean + filler.std * random.standard_normal(shape)
    if filler.sparse >= 0:  # so many of the weights of an output are not 0, on the average
        values *= random.random(shape) < filler.sparse / shape[0]
    return values.astype(np.float32)


def _fan(filler: FillerParameter, shape: Shape) -> float:
    """The number that the variance is divided by; Caffe takes the first two axes for outputs and inputs."""
    count = prod(shape)
    fan_in = count / (shape[0] if shape else 1)
    fan_out = count / (shape[1] if len(shape) > 1 else 1)
    if filler.variance_norm == FillerParameter.FAN_OUT:
        return fan_out
    return (fan_in + fan_out) / 2 if filler.variance_norm == FillerParameter.AVERAGE else fan_in


def _bilinear(shape: Shape) -> Filled:
    """The weights of an upsampling by interpolation: of square windows."""
    height, width = shape[-2:]
    factor = (width + 1) // 2
    centre = (2 * factor - 1 - factor % 2) / (2.0 * factor)
    rows, columns = (1 - np.abs(np.arange(side) / factor - centre) for side in (height, width))
    return np.broadcast_to(np.outer(rows, columns), shape).astype(np.float32)
