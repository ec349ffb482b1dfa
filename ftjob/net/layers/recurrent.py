"""Recurrent layers (recurrent_layer.cpp): time first, then streams; their params are the unrolled net's."""

from collections.abc import Sequence
from math import prod

from ftjob.net.layers.rule import Rule, Setup, Shape, bottom_text, check_axes, refuse, text
from ftjob.net.proto.caffe_pb2 import LayerParameter


def _steps_and_streams(layer: LayerParameter, bottoms: Sequence[Shape], states: int) -> tuple[Shape, ...]:
    """Check the bottoms; return those that are there: x, cont and the static input."""
    hidden = states if layer.recurrent_param.expose_hidden else 0
    if not 2 + hidden <= len(bottoms) <= 3 + hidden or len(layer.top) != 1 + hidden:
        raise refuse(layer, f"it takes {2 + hidden} or {3 + hidden} bottoms and {1 + hidden} tops")
    if layer.recurrent_param.num_output < 1:
        raise refuse(layer, "num_output must be at least 1")
    given = tuple(bottoms[: len(bottoms) - hidden])
    check_axes(layer, given[0], 3)
    if given[1] != given[0][:2]:
        first, second = bottom_text(layer, bottoms, 0), bottom_text(layer, bottoms, 1)
        raise refuse(layer, f"its bottom {second} must have the steps and streams of {first}")
    if len(given) == 3 and (len(given[2]) < 2 or given[2][0] != given[0][1]):
        raise refuse(layer, f"its static bottom {text(given[2])} must have one row per stream")
    for index in range(len(given), len(bottoms)):
        if bottoms[index] != (1, given[0][1], layer.recurrent_param.num_output):
            raise refuse(layer, f"its hidden bottom {bottom_text(layer, bottoms, index)} must be one step")
    return given


def _tops(layer: LayerParameter, steps: int, streams: int) -> tuple[Shape, ...]:
    num_output = layer.recurrent_param.num_output
    return ((steps, streams, num_output), *((1, streams, num_output),) * (len(layer.top) - 1))


def _lstm(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    given = _steps_and_streams(layer, bottoms, states=2)
    num_output = layer.recurrent_param.num_output
    params: list[Shape] = [(4 * num_output, prod(given[0][2:])), (4 * num_output,)]
    params += [(4 * num_output, prod(shape[1:])) for shape in given[2:]]
    params.append((4 * num_output, num_output))
    return Setup(_tops(layer, *given[0][:2]), tuple(params))


def _rnn(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    given = _steps_and_streams(layer, bottoms, states=1)
    num_output = layer.recurrent_param.num_output
    square = (num_output, num_output)
    params: list[Shape] = [(num_output, prod(given[0][2:])), (num_output,)]
    params += [(num_output, prod(shape[1:])) for shape in given[2:]]
    params += [square, square, (num_output,)]
    return Setup(_tops(layer, *given[0][:2]), tuple(params))


def _lstm_unit(layer: LayerParameter, bottoms: Sequence[Shape]) -> Setup:
    cell, gates, cont = bottoms
    check_axes(layer, cell, 3, 3)
    _, streams, hidden = cell
    if cell[0] != 1 or gates != (1, streams, 4 * hidden) or cont != (1, streams):
        shapes = ", ".join(map(text, bottoms))
        raise refuse(layer, f"its bottoms are {shapes}, and must be 1xNxD, 1xNx4D and 1xN")
    return Setup((cell, cell))


RULES = {
    "LSTM": Rule(_lstm, bottoms=(2, 5), tops=(1, 3)),
    "LSTMUnit": Rule(_lstm_unit, bottoms=(3, 3), tops=(2, 2)),
    "RNN": Rule(_rnn, bottoms=(2, 4), tops=(1, 2)),
}
