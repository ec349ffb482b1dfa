"""Which filler makes what a param begins with, and which params it can fill (filler.hpp)."""

from ftjob.net.layers.rule import Shape, refuse, text
from ftjob.net.proto.caffe_pb2 import FillerParameter, LayerParameter

SETTINGS = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "Embed": "embed_param",
    "InnerProduct": "inner_product_param",
}
"""The message of a type that has a weight_filler and a bias_filler."""
_RECURRENT = ("LSTM", "RNN")
_OWN = {
    "Bias": (("bias_param", "filler", 0.0),),
    "PReLU": (("prelu_param", "filler", 0.25),),
    "Scale": (("scale_param", "filler", 1.0), ("scale_param", "bias_filler", 0.0)),
}
"""Where the fillers of params lie that are no weights, and the value they take where none is given."""


def filler_of(layer: LayerParameter, place: int, shapes: tuple[Shape, ...]) -> FillerParameter | None:
    """Return the filler of the param at a place among a layer's params; None for one that begins as zeros."""
    if layer.type in SETTINGS:
        names = ("weight_filler", "bias_filler")
        found: FillerParameter = getattr(getattr(layer, SETTINGS[layer.type]), names[place])
        return found
    if layer.type in _RECURRENT:
        param = layer.recurrent_param
        return param.weight_filler if len(shapes[place]) > 1 else param.bias_filler
    if layer.type not in _OWN:
        return None
    message, name, value = _OWN[layer.type][place + len(layer.bottom) - 1]  # of two bottoms one is the scale
    settings = getattr(layer, message)
    given: FillerParameter = getattr(settings, name)
    return given if settings.HasField(name) else FillerParameter(type="constant", value=value)


def check_fillers(layer: LayerParameter, shapes: tuple[Shape, ...]) -> None:
    """Raise BadNetError, naming the layer, for a filler that ends Caffe over the shape it is to fill."""
    for place, shape in enumerate(shapes):
        filler = filler_of(layer, place, shapes)
        if filler is not None and (why := _unfit(filler, shape)):
            raise refuse(layer, f"its {filler.type} filler {why}")


def _unfit(filler: FillerParameter, shape: Shape) -> str:
    """What is wrong with a filler for a param; empty where nothing is."""
    kind, sparse = filler.type, filler.sparse
    if sparse != -1 and kind != "gaussian":
        return f"cannot be sparse ({sparse}); only a gaussian one can"
    if sparse < -1:
        return f"has sparse {sparse}: write how many weights of an output are not 0, or leave it out"
    if not shape and (sparse != -1 or kind in ("msra", "positive_unitball", "xavier")):
        return "needs a param with outputs, and its param is a single number: take constant"
    if shape and sparse > shape[0]:
        return f"has sparse {sparse}, more than the {shape[0]} outputs: lower it"
    if kind == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        return f"makes square windows of four axes, and its param is {text(shape)}: take another"
    return ""
