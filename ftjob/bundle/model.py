"""Checks a bundle's net and weights before any engine is started."""

from collections.abc import Iterable
from math import prod

from ftjob.bundle.alike import AT_ONCE
from ftjob.bundle.preprocess import Preprocess
from ftjob.bundle.schema import GoldenScores
from ftjob.errors import BadNetError
from ftjob.formatting import gib
from ftjob.fs.documents import UnreadableError, read_text
from ftjob.net.caffemodel.transfer import same_shape
from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.computing import INPUT, refuse_others
from ftjob.net.flops import count_flops
from ftjob.net.layers.rule import text
from ftjob.net.proto.caffe_pb2 import TEST, NetParameter, NetState
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.data_layers import IMAGES
from ftjob.net.surgery.mixing import refuse_mixing
from ftjob.net.topology.phases import filter_net
from ftjob.net.topology.shapes import FLOAT_BYTES, LayerShapes, NetShapes, Shape, infer_shapes
from ftjob.plan.memory import net_memory
from ftjob.runfolder.layout import BundleFolder

LARGEST_PROTOTXT = 2**20
"""Bytes; a net of 1,000 layers has 300,000."""
MOST_MEMORY = 8 * 2**30
"""Bytes that the net may take with AT_ONCE images in it."""
MOST_OPERATIONS = 1e12
"""For one image; VGG19 does 4e10."""
ImageShape = tuple[int, int, int]
"""(C, H, W)."""


def read_model(
    bundle: BundleFolder, how: Preprocess, golden: GoldenScores
) -> tuple[NetParameter, ImageShape]:
    """Return a bundle's net and the image shape that it takes, checked against its preprocessing, golden
    scores and weights.

    The net is that of the TEST phase: one Input layer, and layers that compute.
    Nothing of a size that the net claims is allocated. Raises BadNetError, naming file and layer.
    """
    try:
        source = read_text(bundle.deploy, LARGEST_PROTOTXT)
    except (UnreadableError, OSError) as error:
        raise BadNetError(f"{bundle.deploy}: {error}: copy it again from the run") from None
    net = parse_net(source, str(bundle.deploy))
    try:
        refuse_others(net)
        net = _in_test(net)
        image = _image(net, how)
        shapes = infer_shapes(net, {IMAGES: (AT_ONCE, *image)})
        _check_scores(net, shapes, golden)
        _check_size(shapes)
    except BadNetError as error:
        raise BadNetError(f"{bundle.deploy}: {error}") from None
    _check_weights(bundle, shapes)
    return net, image


def _in_test(net: NetParameter) -> NetParameter:
    """Return the layers of the TEST phase, without their include and exclude rules."""
    kept = filter_net(net, NetState(phase=TEST))
    kept.ClearField("state")
    for layer in kept.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
    return kept


def _image(net: NetParameter, how: Preprocess) -> ImageShape:
    """(C, H, W) of what the net's one input takes, which preprocess.json must make; the batch becomes 1."""
    inputs = [layer for layer in net.layer if layer.type == INPUT]
    if [list(layer.top) for layer in inputs] != [[IMAGES]]:
        raise BadNetError(f'a bundle\'s net has one Input layer with one top, "{IMAGES}"')
    shapes = [tuple(shape.dim) for shape in inputs[0].input_param.shape]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise BadNetError(f'layer "{inputs[0].name}" (Input): give it one shape of four axes')
    _, channels, height, width = shapes[0]
    inputs[0].input_param.shape[0].dim[0] = 1  # an engine allocates that many at once when it opens the net
    made = (how.channels, how.crop or height, how.crop or width)
    if made != (channels, height, width):
        raise BadNetError(
            f"the net takes images of {text((channels, height, width))}, and preprocess.json makes "
            f"{text(made)}"
        )
    return channels, height, width


def _check_scores(net: NetParameter, shapes: NetShapes, golden: GoldenScores) -> None:
    if golden.blob not in shapes.blobs:
        raise BadNetError("the net has no blob of the name that golden/scores.json gives")
    refuse_mixing(net, golden.blob)
    scores = prod(shapes.blobs[golden.blob][1:])
    if scores != golden.classes:
        raise BadNetError(
            f"the net has {scores} scores for an image, and golden/scores.json has {golden.classes}"
        )


def _check_size(shapes: NetShapes) -> None:
    numbers = shapes.parameter_count + sum(map(_padded_count, shapes.layers))
    needed = net_memory(shapes, training=False).total + FLOAT_BYTES * numbers
    if needed > MOST_MEMORY:
        raise BadNetError(
            f"the net takes {gib(needed)} of memory with {AT_ONCE} images, and at most "
            f"{gib(MOST_MEMORY)} are allowed"
        )
    operations = count_flops(shapes).forward + sum(map(_window_operations, shapes.layers)) / AT_ONCE
    if operations > MOST_OPERATIONS:
        raise BadNetError(
            f"the net does {operations:.0e} operations for one image, and at most {MOST_OPERATIONS:.0e} are "
            "allowed"
        )


def _padded_count(layer: LayerShapes) -> int:
    """Numbers of an image that an LRN pads with as many channels as it sums over (lrn_layer.cpp)."""
    if layer.type != "LRN":
        return 0
    _, channels, *sides = layer.bottoms[0]
    return (channels + layer.layer.lrn_param.local_size) * prod(sides)


def _window_operations(layer: LayerShapes) -> int:
    """Return the operations of a Pooling, at most: count_flops counts only matrix products."""
    if layer.type != "Pooling":
        return 0
    param, area = layer.layer.pooling_param, prod(layer.bottoms[0][2:])
    kernel = (param.kernel_h or param.kernel_size) * (param.kernel_w or param.kernel_size)
    return prod(layer.tops[0]) * (area if param.global_pooling else min(kernel, area))


def _check_weights(bundle: BundleFolder, shapes: NetShapes) -> None:
    """Raise BadNetError where a layer's params are not in the caffemodel, or of other shapes."""
    stored = {layer.name: layer for layer in read_weights(bundle.weights)}
    for layer in shapes.layers:
        blobs = stored[layer.name].blobs if layer.name in stored else ()
        fits = len(blobs) == len(layer.params) and all(
            same_shape(param.shape, blob) for param, blob in zip(layer.params, blobs, strict=True)
        )
        if not fits:
            raise BadNetError(
                f'{bundle.weights}: layer "{layer.name[:60]}" has {_shapes(blob.shape for blob in blobs)} in '
                f"it, and in the net {_shapes(param.shape for param in layer.params)}: copy it again "
                "from the run"
            )


def _shapes(shapes: Iterable[Shape]) -> str:
    return ", ".join(map(text, list(shapes)[:4])) or "no params"
