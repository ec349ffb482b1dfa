"""Layers of forks that Caffe 1.0 computes exactly with layers of its own."""

from collections.abc import Callable, Mapping

from ftjob.net.forks.dialects import DATA_OF_FTJOB, FORK_DATA, FUSED_BATCH_NORM, TYPES
from ftjob.net.proto.caffe_pb2 import EltwiseParameter, LayerParameter, NetParameter

# Klambauer et al., Self-Normalizing Neural Networks, in the single precision of the forks.
SELU_LAMBDA = 1.050700987
SELU_ALPHA = 1.67326324
RELU6_MAX = 6.0

Settings = Mapping[str, float]
"""Numbers from fields of forks, such as {"alpha": 1.67, "selu_param.alpha": 1.67}, of one layer."""


def rewrite(net: NetParameter, settings: Mapping[int, Settings]) -> None:
    """Replace the fork layers that have an exact form, in place; others stay as they are.

    `settings` has, by layer index, the numbers of their own param messages. A layer that worked in place and
    cannot here makes a blob `<blob>/<layer>`, and whatever came after it reads that.
    """
    renamed: dict[str, str] = {}
    layers: list[LayerParameter] = []
    for index, original in enumerate(net.layer):
        layer = LayerParameter()
        layer.CopyFrom(original)
        in_place = set(layer.bottom) & set(layer.top)
        layer.bottom[:] = [renamed.get(blob, blob) for blob in layer.bottom]
        layer.top[:] = [renamed.get(blob, blob) if blob in in_place else blob for blob in layer.top]
        form = FORMS.get(layer.type)
        if not form or not _has_form(layer):
            layers.append(layer)
            continue
        now = list(layer.top)
        made = form(layer, settings.get(index, {}))
        if in_place and list(made[-1].top) != now:
            renamed[original.top[0]] = made[-1].top[0]
        layers += made
    del net.layer[:]
    net.layer.extend(layers)


def _has_form(layer: LayerParameter) -> bool:
    """Only a layer of both phases can leave its place: in a phase without it its blob would be missing."""
    if layer.type in FORK_DATA or layer.type == FUSED_BATCH_NORM:
        return True
    bottoms = {"Axpy": 3}.get(layer.type, 1)
    whole = len(layer.bottom) == bottoms and len(layer.top) == 1
    return whole and not layer.include and not layer.exclude


def _depthwise(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    layer.type = "Convolution"
    if not layer.convolution_param.HasField("group"):
        layer.convolution_param.group = layer.convolution_param.num_output
    return [layer]


def _relu6(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    """Clip's gradient needs the unclipped bottom (clip_layer.cpp), so it does not work in place."""
    layer.type = "Clip"
    layer.clip_param.min, layer.clip_param.max = 0.0, RELU6_MAX
    layer.top[:] = [_out_of_place(layer)]
    return [layer]


def _selu(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    """lambda * ELU(x): ELU may work in place, but not what comes after it (elu_layer.cpp reads its top)."""
    in_place = layer.top[0] == layer.bottom[0]
    middle = layer.bottom[0] if in_place else f"{layer.name}/elu"
    elu = LayerParameter(name=f"{layer.name}/elu", type="ELU", bottom=layer.bottom, top=[middle])
    elu.elu_param.alpha = settings.get("alpha", SELU_ALPHA)
    power = LayerParameter(name=layer.name, type="Power", bottom=[middle], top=[_out_of_place(layer)])
    power.power_param.scale = settings.get("lambda", SELU_LAMBDA)
    return [elu, power]


def _axpy(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    """scale * x + y, with one number of scale (N×C×1×1) per channel of x."""
    scale, x, y = layer.bottom
    name = layer.name
    flat = LayerParameter(name=f"{name}/flat", type="Flatten", bottom=[scale], top=[f"{name}/flat"])
    product = LayerParameter(
        name=f"{name}/scale", type="Scale", bottom=[x, f"{name}/flat"], top=[f"{name}/scale"]
    )
    product.scale_param.axis = 0
    total = LayerParameter(name=name, type="Eltwise", bottom=[f"{name}/scale", y], top=layer.top)
    total.eltwise_param.operation = EltwiseParameter.SUM
    return [flat, product, total]


def _scaled_batch_norm(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    """NVIDIA's BatchNorm with scale and bias; its params are mean, variance, correction, scale, bias, and up
    to 0.15 scale, bias, mean, variance (batch_norm_layer.cpp of either)."""
    layer.type = "BatchNorm"
    scale = LayerParameter(name=scale_of(layer.name), type="Scale", bottom=layer.top, top=layer.top)
    scale.include.extend(layer.include)
    scale.exclude.extend(layer.exclude)
    scale.scale_param.bias_term = True
    scale.scale_param.filler.value = settings.get("scale_filler.value", 1.0)
    scale.scale_param.bias_filler.value = settings.get("bias_filler.value", 0.0)
    scale.param.extend({5: layer.param[3:], 4: layer.param[:2], 2: layer.param[:2]}.get(len(layer.param), []))
    layer.ClearField("param")
    return [layer, scale]


def scale_of(batch_norm: str) -> str:
    """Return the name of the Scale layer that a BatchNorm of NVIDIA's fork becomes beside Caffe 1.0's."""
    return f"{batch_norm}/scale"


def _data(layer: LayerParameter, settings: Settings) -> list[LayerParameter]:
    layer.type = "Data"
    return [layer]


def _out_of_place(layer: LayerParameter) -> str:
    top: str = layer.top[0]
    return f"{top}/{layer.name}" if top == layer.bottom[0] else top


_Form = Callable[[LayerParameter, Settings], list[LayerParameter]]

_BY_FORM: Mapping[str, _Form] = {
    "a Convolution with one group per channel": _depthwise,
    "Clip from 0 to 6": _relu6,
    "ELU and Power": _selu,
    "Flatten, Scale and Eltwise": _axpy,
    DATA_OF_FTJOB: _data,
}
FORMS: Mapping[str, _Form] = {
    **{name: _BY_FORM[kind.rewritten] for name, kind in TYPES.items() if kind.rewritten},
    FUSED_BATCH_NORM: _scaled_batch_norm,
}
