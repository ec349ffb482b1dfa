"""Random small nets of one layer each, right and wrong ones, for every layer type of Caffe 1.0."""

from collections.abc import Callable
from random import Random

from ftjob.net.proto.caffe_pb2 import BlobShape, LayerParameter, NetParameter

Shape = tuple[int, ...]
Make = Callable[[Random, LayerParameter], list[Shape]]
"""Sets the layer's params and returns the shapes of its bottoms."""


def shape(rng: Random, axes: int | None = None) -> Shape:
    return tuple(rng.randint(1, 6) for _ in range(axes if axes is not None else rng.randint(1, 5)))


def image(rng: Random) -> Shape:
    return (rng.randint(1, 3), rng.choice([2, 4, 6]), rng.randint(3, 9), rng.randint(3, 9))


def anything(rng: Random, layer: LayerParameter) -> list[Shape]:
    return [shape(rng)]


def convolution(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.convolution_param
    bottom = image(rng) if rng.random() < 0.7 else shape(rng, rng.choice([3, 5]))
    axes = len(bottom) - 2
    # A kernel larger than its image is refused by us alone: Caffe's division rounds towards zero there.
    kernel = min(3, *bottom[2:])
    if rng.random() < 0.8:
        param.num_output = rng.choice([2, 4, 6])
    if axes == 2 and rng.random() < 0.3:
        param.kernel_h, param.kernel_w = rng.randint(1, kernel), rng.randint(1, kernel)
    else:
        param.kernel_size.extend(rng.randint(1, kernel) for _ in range(rng.choice([1, 1, axes, 4])))
    if rng.random() < 0.5:
        param.pad.extend(rng.randint(0, 3) for _ in range(rng.choice([1, axes])))
        param.stride.extend(rng.randint(1, 3) for _ in range(rng.choice([1, axes])))
    if kernel == 1 or rng.random() < 0.2:
        param.dilation.append(1 if kernel > 1 else 2)
    param.group = rng.choice([1, 1, 1, 2, 3])
    param.bias_term = rng.random() < 0.5
    return [bottom]


def deconvolution(rng: Random, layer: LayerParameter) -> list[Shape]:
    bottoms = convolution(rng, layer)
    # More pad than there is output is refused by both, but Caffe dies of it without a word.
    del layer.convolution_param.pad[:]
    return bottoms


def pooling(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.pooling_param
    param.pool = rng.choice([0, 1, 2])
    param.global_pooling = rng.random() < 0.1
    if rng.random() < 0.9:
        param.kernel_size = rng.randint(1, 4)
    else:
        param.kernel_h = rng.randint(1, 3)
        param.kernel_w = rng.randint(1, 3)
    if rng.random() < 0.5:
        param.pad = rng.randint(0, 3)
    if rng.random() < 0.7:
        param.stride = rng.randint(1, 4)
    if rng.random() < 0.2:
        layer.top.append("mask")
    return [image(rng) if rng.random() < 0.9 else shape(rng)]


def spp(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.spp_param.pyramid_height = rng.randint(1, 4)
    return [image(rng)]


def lrn(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.lrn_param.local_size = rng.choice([1, 3, 4, 5])
    layer.lrn_param.norm_region = rng.choice([0, 1])
    return [image(rng) if rng.random() < 0.8 else shape(rng)]


def inner_product(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.inner_product_param
    param.num_output = rng.randint(1, 9)
    param.axis = rng.randint(-2, 3)
    param.transpose = rng.random() < 0.5
    param.bias_term = rng.random() < 0.5
    return [shape(rng)]


def embed(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.embed_param.num_output = rng.randint(0, 3)
    layer.embed_param.input_dim = rng.randint(0, 3)
    layer.embed_param.bias_term = rng.random() < 0.5
    return [shape(rng)]


def batch_norm(rng: Random, layer: LayerParameter) -> list[Shape]:
    for _ in range(rng.choice([0, 0, 3, 4])):
        layer.param.add(lr_mult=rng.choice([0, 0, 0, 1]))
    return [shape(rng, rng.randint(2, 5))]


def scale_or_bias(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.scale_param if layer.type == "Scale" else layer.bias_param
    bottom = shape(rng)
    param.axis = rng.randint(-2, 2)
    param.num_axes = rng.randint(-1, 2)
    if layer.type == "Scale":
        layer.scale_param.bias_term = rng.random() < 0.5
    if rng.random() < 0.5:
        return [bottom]
    start = param.axis % len(bottom)
    return [bottom, bottom[start : start + rng.randint(0, 2)] if rng.random() < 0.9 else shape(rng)]


def prelu(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.prelu_param.channel_shared = rng.random() < 0.5
    return [shape(rng)]


def softmax(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.softmax_param.axis = rng.randint(-2, 3)
    return [shape(rng)]


def eltwise(rng: Random, layer: LayerParameter) -> list[Shape]:
    first = shape(rng)
    layer.eltwise_param.operation = rng.choice([0, 1, 2])
    layer.eltwise_param.coeff.extend([1.0] * rng.choice([0, 0, 2]))
    return [first, first if rng.random() < 0.8 else shape(rng), *([first] if rng.random() < 0.2 else [])]


def concat(rng: Random, layer: LayerParameter) -> list[Shape]:
    first = shape(rng, rng.randint(1, 4))
    axis = rng.randint(-2, 2)
    layer.concat_param.axis = axis
    other = list(first if rng.random() < 0.9 else shape(rng))
    if -len(other) <= axis < len(other):
        other[axis] += 1
    return [first, tuple(other)][: rng.choice([1, 2, 2])]


def slice_(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.slice_param.axis = rng.randint(-2, 2)
    layer.top.extend(f"top{index}" for index in range(rng.randint(0, 2)))
    if rng.random() < 0.5:
        layer.slice_param.slice_point.extend(rng.randint(1, 4) for _ in range(len(layer.top) - 1))
    return [shape(rng)]


def split(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.top.extend(f"top{index}" for index in range(rng.randint(0, 2)))
    return [shape(rng)]


def flatten(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.flatten_param.axis, layer.flatten_param.end_axis = rng.randint(-2, 3), rng.randint(-2, 3)
    if layer.flatten_param.end_axis >= 0:
        layer.flatten_param.end_axis = max(layer.flatten_param.axis, layer.flatten_param.end_axis)
    return [shape(rng, rng.randint(2, 4))]


def reshape(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.reshape_param
    param.shape.dim.extend(rng.choice([-1, 0, 0, 2, 4, 8]) for _ in range(rng.randint(0, 3)))
    param.axis, param.num_axes = rng.randint(-3, 3), rng.randint(-1, 2)
    return [tuple(rng.choice([1, 2, 4]) for _ in range(rng.randint(1, 4)))]


def crop(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.crop_param.axis = rng.randint(0, 3)
    layer.crop_param.offset.extend(rng.randint(0, 2) for _ in range(rng.choice([0, 1, 2])))
    return [shape(rng, 4), tuple(rng.randint(1, 3) for _ in range(4))]


def tile(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.tile_param.axis, layer.tile_param.tiles = rng.randint(-2, 3), rng.randint(0, 3)
    return [shape(rng)]


def argmax(rng: Random, layer: LayerParameter) -> list[Shape]:
    if rng.random() < 0.5:
        layer.argmax_param.axis = rng.randint(-2, 3)
    layer.argmax_param.top_k = rng.randint(1, 3)
    layer.argmax_param.out_max_val = rng.random() < 0.5
    return [shape(rng)]


def reduction(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.reduction_param.axis = rng.randint(-2, 3)
    return [shape(rng)]


def batch_reindex(rng: Random, layer: LayerParameter) -> list[Shape]:
    return [shape(rng), shape(rng, rng.choice([1, 1, 2]))]


def filter_(rng: Random, layer: LayerParameter) -> list[Shape]:
    first = shape(rng)
    return [first, (first[0] if rng.random() < 0.9 else 7, *[1] * rng.randint(0, 2))]


def parameter(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.parameter_param.shape.dim.extend(shape(rng))
    return []


def accuracy(rng: Random, layer: LayerParameter) -> list[Shape]:
    scores, axis = shape(rng), rng.randint(-1, 2)
    layer.accuracy_param.axis, layer.accuracy_param.top_k = axis, rng.randint(1, 3)
    if rng.random() < 0.3:
        layer.top.append("per_class")
    return [scores, labels(rng, scores, axis)]


def labels(rng: Random, scores: Shape, axis: int) -> Shape:
    if rng.random() < 0.2 or not -len(scores) <= axis < len(scores):
        return shape(rng)
    axis %= len(scores)
    return scores[:axis] + scores[axis + 1 :]


def softmax_loss(rng: Random, layer: LayerParameter) -> list[Shape]:
    scores, axis = shape(rng, rng.randint(2, 4)), rng.choice([1, 1, 1, 2])
    layer.softmax_param.axis = axis
    del layer.top[: rng.choice([0, 0, 1])]
    if layer.top and rng.random() < 0.3:
        layer.top.append("probabilities")
    return [scores, labels(rng, scores, axis)]


def infogain_loss(rng: Random, layer: LayerParameter) -> list[Shape]:
    scores = shape(rng, 2)
    classes = scores[1] if rng.random() < 0.8 else 3
    return [scores, labels(rng, scores, 1), (classes, classes)]


def pair_loss(rng: Random, layer: LayerParameter) -> list[Shape]:
    first = shape(rng, rng.randint(1, 3))
    other = rng.choice([first, first[::-1], (first[0], *shape(rng, 1)), shape(rng, len(first))])
    return [first, other]


def label_loss(rng: Random, layer: LayerParameter) -> list[Shape]:
    scores = shape(rng, 2)
    return [scores, rng.choice([scores[:1], (*scores[:1], 1), shape(rng, 2)])]


def contrastive_loss(rng: Random, layer: LayerParameter) -> list[Shape]:
    first = shape(rng, 2)
    other = first if rng.random() < 0.8 else shape(rng, 2)
    return [first, other, rng.choice([first[:1], (*first[:1], 1, 1), first])]


def recurrent(rng: Random, layer: LayerParameter) -> list[Shape]:
    param, states = layer.recurrent_param, 2 if layer.type == "LSTM" else 1
    param.num_output = rng.randint(0, 4) or 2
    param.weight_filler.type = param.bias_filler.type = "constant"
    given = shape(rng, rng.randint(2, 4))
    bottoms = [given, given[:2] if rng.random() < 0.9 else shape(rng, 2)]
    if rng.random() < 0.4:
        bottoms.append((given[1], 5) if rng.random() < 0.9 else shape(rng, 2))
    if rng.random() < 0.4:
        param.expose_hidden = True
        bottoms += [(1, given[1], param.num_output)] * states
        layer.top.extend(f"state{index}" for index in range(states))
    return bottoms


def lstm_unit(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.top.append("hidden")
    streams, hidden = rng.randint(1, 3), rng.randint(1, 3)
    gates = 4 * hidden if rng.random() < 0.8 else hidden
    return [(1, streams, hidden), (1, streams, gates), (1, streams)]


def silence(rng: Random, layer: LayerParameter) -> list[Shape]:
    del layer.top[:]
    return [shape(rng)]


def source(rng: Random, layer: LayerParameter) -> list[Shape]:
    layer.top.extend(f"top{index}" for index in range(rng.randint(0, 2)))
    shapes = [BlobShape(dim=shape(rng)) for _ in range(rng.choice([1, len(layer.top), 2]))]
    (layer.input_param if layer.type == "Input" else layer.dummy_data_param).shape.extend(shapes)
    return []


def memory_data(rng: Random, layer: LayerParameter) -> list[Shape]:
    param = layer.memory_data_param
    param.batch_size, param.channels, param.height, param.width = shape(rng, 4)
    layer.top.extend(["label"] * rng.choice([0, 1, 1]))
    return []


MAKES: dict[str, Make] = {
    **dict.fromkeys(["AbsVal", "BNLL", "Dropout", "ELU", "Exp", "Log", "MVN", "Power"], anything),
    **dict.fromkeys(["ReLU", "Sigmoid", "Swish", "TanH", "Threshold"], anything),
    **dict.fromkeys(["EuclideanLoss", "SigmoidCrossEntropyLoss"], pair_loss),
    **dict.fromkeys(["HingeLoss", "MultinomialLogisticLoss"], label_loss),
    **dict.fromkeys(["LSTM", "RNN"], recurrent),
    **dict.fromkeys(["Scale", "Bias"], scale_or_bias),
    **dict.fromkeys(["Input", "DummyData"], source),
    **dict.fromkeys(["Convolution", "Im2col"], convolution),
    "Accuracy": accuracy,
    "ArgMax": argmax,
    "BatchNorm": batch_norm,
    "BatchReindex": batch_reindex,
    "Concat": concat,
    "ContrastiveLoss": contrastive_loss,
    "Crop": crop,
    "Deconvolution": deconvolution,
    "Eltwise": eltwise,
    "Embed": embed,
    "Filter": filter_,
    "Flatten": flatten,
    "InfogainLoss": infogain_loss,
    "InnerProduct": inner_product,
    "LRN": lrn,
    "LSTMUnit": lstm_unit,
    "MemoryData": memory_data,
    "PReLU": prelu,
    "Parameter": parameter,
    "Pooling": pooling,
    "Reduction": reduction,
    "Reshape": reshape,
    "SPP": spp,
    "Silence": silence,
    "Slice": slice_,
    "Softmax": softmax,
    "SoftmaxWithLoss": softmax_loss,
    "Split": split,
    "Tile": tile,
}


def random_net(rng: Random, type_: str) -> NetParameter:
    """Return a net of one layer of that type, and DummyData for its bottoms; it may be wrong."""
    net = NetParameter()
    layer = LayerParameter(name="tried", type=type_, top=["top"])
    shapes = MAKES[type_](rng, layer)
    layer.bottom.extend(f"bottom{index}" for index in range(len(shapes)))
    if shapes:
        dummy = net.layer.add(name="dummy", type="DummyData", top=layer.bottom)
        dummy.dummy_data_param.shape.extend(BlobShape(dim=dims) for dims in shapes)
    net.layer.append(layer)
    return net
