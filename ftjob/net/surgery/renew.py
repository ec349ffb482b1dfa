"""Randomly initialised layers: new names, so that Caffe copies nothing into them, and their own rates."""

from collections.abc import Collection, Iterable, Mapping

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import FillerParameter, LayerParameter, NetParameter
from ftjob.net.surgery.data_layers import rename_blobs
from ftjob.net.surgery.heads import num_output
from ftjob.net.topology.layertypes import CLASSIFIERS, param_count

_FILLED_BY = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Embed": "embed_param",
    "LSTM": "recurrent_param",
    "RNN": "recurrent_param",
}


def fresh_names(net: NetParameter, layers: Iterable[str], suffix: str) -> dict[str, str]:
    """Return old → new name of layers: `<old>_<suffix>`; a layer that has the suffix keeps its name."""
    taken = {layer.name for layer in net.layer}
    names = {}
    for old in layers:
        new = old if old.endswith(f"_{suffix}") else f"{old}_{suffix}"
        while new != old and new in taken:
            new += "_2"
        names[old] = new
        taken.add(new)
    return names


def renew(
    net: NetParameter, names: Mapping[str, str], lr_mult: float, may_be_constant: Collection[str] = ()
) -> None:
    """Rename layers and the blobs of the same name, in place, so that they are randomly initialised.

    Weights get `lr_mult`, biases twice that and no weight decay; weights that would start as zeros, which
    never learn, get Caffe's xavier filler. Params of `may_be_constant`, by their old names, that are constant
    in the prototxt itself stay so.
    Raises BadNetError for one that shares a param by name with a layer that is not renewed.
    """
    _refuse_shared(net, names)
    rename_layers(net, names)
    new = set(names.values())
    spared = {names[name] for name in may_be_constant if name in names}
    for layer in net.layer:
        if layer.name not in new:
            continue
        _set_rates(layer, lr_mult, keeps_constants=layer.name in spared)
        if filler := zero_filler(layer):
            filler.Clear()
            filler.type = "xavier"


def rename_layers(net: NetParameter, names: Mapping[str, str]) -> None:
    """Rename layers and the blobs of the same name, in place."""
    blobs = {}
    for layer in net.layer:
        if layer.name in names:
            if layer.name in layer.top:
                blobs[layer.name] = names[layer.name]
            layer.name = names[layer.name]
    rename_blobs(net, blobs)


def _refuse_shared(net: NetParameter, names: Mapping[str, str]) -> None:
    """Shared params are one blob with one lr_mult (net.cpp, AppendParam): half of it cannot be new."""
    new = {spec.name: layer.name for layer in net.layer if layer.name in names for spec in layer.param}
    for layer in net.layer:
        for spec in layer.param:
            if spec.name and spec.name in new and layer.name not in names:
                raise BadNetError(
                    f'layer {new[spec.name]} is to start afresh, but shares its param "{spec.name}" with '
                    f"{layer.name}; name both in surgery.relearn"
                )


def set_num_output(net: NetParameter, layers: Iterable[str], count: int) -> None:
    """Give InnerProduct and Convolution layers that many outputs, in place."""
    wanted = set(layers)
    for layer in net.layer:
        if layer.name not in wanted or layer.type not in CLASSIFIERS or num_output(layer) == count:
            continue
        if layer.type == "InnerProduct":
            layer.inner_product_param.num_output = count
            continue
        if count % layer.convolution_param.group:
            raise BadNetError(
                f'head "{layer.name}" is a convolution in {layer.convolution_param.group} groups, which '
                f"cannot share {count} classes equally: take group out of its convolution_param"
            )
        layer.convolution_param.num_output = count


def zero_filler(layer: LayerParameter) -> FillerParameter | None:
    """Return the layer's weight_filler where it would make all weights 0 (Caffe's default), else None."""
    field = _FILLED_BY.get(layer.type)
    if field is None:
        return None
    filler: FillerParameter = getattr(layer, field).weight_filler
    return filler if filler.type == "constant" and filler.value == 0 else None


def unfilled(net: NetParameter) -> tuple[str, ...]:
    """Return the layers whose weights would all start as 0: trained from scratch they never learn."""
    return tuple(dict.fromkeys(layer.name for layer in net.layer if zero_filler(layer)))


def set_param(layer: LayerParameter, index: int, lr_mult: float, decay_mult: float) -> None:
    """Set the multipliers of one param of a layer, in place."""
    while len(layer.param) <= index:
        layer.param.add()
    layer.param[index].lr_mult = lr_mult
    layer.param[index].decay_mult = decay_mult


def is_constant(layer: LayerParameter, index: int) -> bool:
    """Return whether a layer's prototxt itself keeps one of its params as it is."""
    return index < len(layer.param) and layer.param[index].lr_mult == 0


def _set_rates(layer: LayerParameter, lr_mult: float, *, keeps_constants: bool) -> None:
    if layer.type == "BatchNorm":  # its params are statistics, and Caffe takes no rate but 0 for them
        return
    for index in range(param_count(layer)):
        if keeps_constants and is_constant(layer, index):
            continue
        is_bias = index == 1
        set_param(layer, index, lr_mult * (2 if is_bias else 1), 0 if is_bias else 1)
