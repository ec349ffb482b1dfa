"""Losses and Accuracy (softmax_loss_layer.cpp, accuracy_layer.cpp and their neighbours)."""

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ftjob.engine.torch.process.layers.making import Forward, LayerContext, Make
from ftjob.errors import BadDataError
from ftjob.net.layers.rule import axis_of
from ftjob.net.proto.caffe_pb2 import HingeLossParameter, LayerParameter, LossParameter
from ftjob.net.topology.shapes import LayerShapes

LEAST_PROBABILITY = math.log(torch.finfo(torch.float32).tiny)
"""Of FLT_MIN: a loss is at most 87.3365 for one label, in Caffe and here."""
LEAST_LOGGED = 1e-20
"""kLOG_THRESHOLD of MultinomialLogisticLoss."""


class NegativeLog(torch.autograd.Function):
    """The sum of -log(probability of the label) over a (outer, classes, inner) blob of scores.

    The loss is clipped, the gradient, probability minus 1 at the label, is not: so does Caffe.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, labels: Tensor, counted: Tensor | None) -> Tensor:
        logs = functional.log_softmax(scores, 1)
        index = labels.unsqueeze(1)
        picked = logs.gather(1, index).clamp_min(LEAST_PROBABILITY)
        ctx.save_for_backward(logs, index, counted)
        return -(picked if counted is None else picked * counted).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        logs, index, counted = ctx.saved_tensors
        probabilities = logs.exp()
        probabilities.scatter_add_(1, index, torch.full_like(index, -1, dtype=logs.dtype))
        if counted is not None:
            probabilities.mul_(counted)
        return probabilities.mul_(gradients[0]), None, None


def normalization(layer: LayerParameter) -> LossParameter.NormalizationMode:
    """Return what a loss is divided by, read as Caffe reads the two fields for it."""
    param = layer.loss_param
    if not param.HasField("normalization") and param.HasField("normalize"):
        return LossParameter.VALID if param.normalize else LossParameter.BATCH_SIZE
    return param.normalization


def _labels(layer: LayerShapes, labels: Tensor, shape: tuple[int, int, int], ignored: int | None) -> Tensor:
    """(outer, inner) whole numbers, each a class or the one to ignore; on a GPU that is not looked at."""
    outer, classes, inner = shape
    whole = labels.reshape(outer, inner).long()
    if not whole.is_cuda and whole.numel():
        allowed = (whole >= 0) & (whole < classes)
        if ignored is not None:
            allowed |= whole == ignored
        if not bool(allowed.all()):
            label = int(whole[~allowed][0])
            raise BadDataError(
                f'layer "{layer.name}" ({layer.type}): a label is {label}, its classes are 0 to '
                f"{classes - 1}: `ftjob data check` finds the record"
            )
    return whole


def _softmax_loss(layer: LayerShapes, context: LayerContext) -> Forward:
    param = layer.layer.loss_param
    axis = axis_of(layer.layer, layer.bottoms[0], layer.layer.softmax_param.axis)
    shape = _around(layer.bottoms[0], axis)
    ignored = param.ignore_label if param.HasField("ignore_label") else None
    divide_by = normalization(layer.layer)
    fixed = {
        LossParameter.FULL: shape[0] * shape[2],
        LossParameter.BATCH_SIZE: shape[0],
        LossParameter.NONE: 1,
    }

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        labels = _labels(layer, bottoms[1], shape, ignored)
        counted = None
        divisor: Tensor | int = fixed.get(divide_by, shape[0] * shape[2])
        if ignored is not None:
            valid = labels != ignored
            labels, counted = labels * valid, valid.unsqueeze(1).to(bottoms[0].dtype)
            divisor = valid.sum().clamp_min(1) if divide_by == LossParameter.VALID else divisor
        loss = NegativeLog.apply(bottoms[0].reshape(shape), labels, counted) / divisor
        return [loss, *([torch.softmax(bottoms[0], axis)] if len(layer.tops) > 1 else [])]

    return forward


def _around(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _accuracy(layer: LayerShapes, context: LayerContext) -> Forward:
    """A label is right when fewer than top_k other scores are as high as its own."""
    param = layer.layer.accuracy_param
    shape = _around(layer.bottoms[0], axis_of(layer.layer, layer.bottoms[0], param.axis))
    ignored = param.ignore_label if param.HasField("ignore_label") else None

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        labels = _labels(layer, bottoms[1].detach(), shape, ignored)
        counted = torch.ones_like(labels) if ignored is None else (labels != ignored).long()
        labels = labels * counted
        scores = bottoms[0].detach().reshape(shape)
        own = scores.gather(1, labels.unsqueeze(1))
        right = ((scores >= own).sum(1) - 1 < param.top_k) * counted
        tops = [(right.sum() / counted.sum().clamp_min(1)).float()]
        if len(layer.tops) > 1:
            per_class = functional.one_hot(labels, shape[1]) * counted.unsqueeze(-1)
            hits = (per_class * right.unsqueeze(-1)).sum((0, 1))
            tops.append(hits / per_class.sum((0, 1)).clamp_min(1))
        return tops

    return forward


def _euclidean_loss(layer: LayerShapes, context: LayerContext) -> Forward:
    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        difference = bottoms[0] - bottoms[1].reshape(bottoms[0].shape)
        return [(difference * difference).sum() / (2 * layer.bottoms[0][0])]

    return forward


def _hinge_loss(layer: LayerShapes, context: LayerContext) -> Forward:
    squared = layer.layer.hinge_loss_param.norm == HingeLossParameter.L2
    shape = (layer.bottoms[0][0], prod(layer.bottoms[0][1:]), 1)

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        labels = _labels(layer, bottoms[1], shape, None)
        signs = torch.ones(shape[:2], device=bottoms[0].device).scatter_(1, labels, -1.0)
        margins = torch.relu(1 + signs * bottoms[0].reshape(shape[:2]))
        return [(margins * margins if squared else margins).sum() / shape[0]]

    return forward


def _multinomial_loss(layer: LayerShapes, context: LayerContext) -> Forward:
    shape = (layer.bottoms[0][0], prod(layer.bottoms[0][1:]), 1)

    def forward(bottoms: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
        labels = _labels(layer, bottoms[1], shape, None)
        picked = bottoms[0].reshape(shape[:2]).gather(1, labels)
        return [-picked.clamp_min(LEAST_LOGGED).log().sum() / shape[0]]

    return forward


MAKERS: dict[str, Make] = {
    "Accuracy": _accuracy,
    "EuclideanLoss": _euclidean_loss,
    "HingeLoss": _hinge_loss,
    "MultinomialLogisticLoss": _multinomial_loss,
    "SoftmaxWithLoss": _softmax_loss,
}
