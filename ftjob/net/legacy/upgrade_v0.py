"""The oldest form of nets, `layers { layer { type: "conv" … } }`, in the form that came after it."""

from collections.abc import Iterator

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter, V0LayerParameter, V1LayerParameter
from ftjob.suggest import did_you_mean

V1 = V1LayerParameter

V0_TYPES = {
    "accuracy": V1.ACCURACY,
    "bnll": V1.BNLL,
    "concat": V1.CONCAT,
    "conv": V1.CONVOLUTION,
    "data": V1.DATA,
    "dropout": V1.DROPOUT,
    "euclidean_loss": V1.EUCLIDEAN_LOSS,
    "flatten": V1.FLATTEN,
    "hdf5_data": V1.HDF5_DATA,
    "hdf5_output": V1.HDF5_OUTPUT,
    "im2col": V1.IM2COL,
    "images": V1.IMAGE_DATA,
    "infogain_loss": V1.INFOGAIN_LOSS,
    "innerproduct": V1.INNER_PRODUCT,
    "lrn": V1.LRN,
    "multinomial_logistic_loss": V1.MULTINOMIAL_LOGISTIC_LOSS,
    "pool": V1.POOLING,
    "relu": V1.RELU,
    "sigmoid": V1.SIGMOID,
    "softmax": V1.SOFTMAX,
    "softmax_loss": V1.SOFTMAX_LOSS,
    "split": V1.SPLIT,
    "tanh": V1.TANH,
    "window_data": V1.WINDOW_DATA,
}
_PADDING = "padding"

_PARAM_OF = {
    "conv": "convolution_param",
    "innerproduct": "inner_product_param",
    "pool": "pooling_param",
    "dropout": "dropout_param",
    "lrn": "lrn_param",
    "data": "data_param",
    "hdf5_data": "hdf5_data_param",
    "images": "image_data_param",
    "window_data": "window_data_param",
    "infogain_loss": "infogain_loss_param",
    "concat": "concat_param",
    "hdf5_output": "hdf5_output_param",
}

_MOVES: dict[str, tuple[str, frozenset[str]]] = {
    "num_output": ("num_output", frozenset({"conv", "innerproduct"})),
    "biasterm": ("bias_term", frozenset({"conv", "innerproduct"})),
    "weight_filler": ("weight_filler", frozenset({"conv", "innerproduct"})),
    "bias_filler": ("bias_filler", frozenset({"conv", "innerproduct"})),
    "pad": ("pad", frozenset({"conv", "pool"})),
    "kernelsize": ("kernel_size", frozenset({"conv", "pool"})),
    "group": ("group", frozenset({"conv"})),
    "stride": ("stride", frozenset({"conv", "pool"})),
    "pool": ("pool", frozenset({"pool"})),
    "dropout_ratio": ("dropout_ratio", frozenset({"dropout"})),
    "local_size": ("local_size", frozenset({"lrn"})),
    "alpha": ("alpha", frozenset({"lrn"})),
    "beta": ("beta", frozenset({"lrn"})),
    "k": ("k", frozenset({"lrn"})),
    "source": ("source", frozenset({"data", "hdf5_data", "images", "window_data", "infogain_loss"})),
    "batchsize": ("batch_size", frozenset({"data", "hdf5_data", "images", "window_data"})),
    "rand_skip": ("rand_skip", frozenset({"data", "images"})),
    "shuffle_images": ("shuffle", frozenset({"images"})),
    "new_height": ("new_height", frozenset({"images"})),
    "new_width": ("new_width", frozenset({"images"})),
    "concat_dim": ("concat_dim", frozenset({"concat"})),
    "det_fg_threshold": ("fg_threshold", frozenset({"window_data"})),
    "det_bg_threshold": ("bg_threshold", frozenset({"window_data"})),
    "det_fg_fraction": ("fg_fraction", frozenset({"window_data"})),
    "det_context_pad": ("context_pad", frozenset({"window_data"})),
    "det_crop_mode": ("crop_mode", frozenset({"window_data"})),
}
"""V0 field → its name today, and the V0 layer types that may have it."""

_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_KEPT = frozenset({"name", "type", "blobs", "blobs_lr", "weight_decay", "hdf5_output_param"})


def upgrade_v0(net: NetParameter) -> None:
    """Turn V0 layers into V1 layers, in place (upgrade_proto.cpp, UpgradeV0Net).

    Raises BadNetError for a layer type or field that has no place in the newer form.
    """
    layers = [_upgrade_layer(layer) for layer in _without_padding_layers(net)]
    upgraded = NetParameter(input=net.input, input_dim=net.input_dim)
    if net.HasField("name"):
        upgraded.name = net.name
    if net.HasField("force_backward"):
        upgraded.force_backward = net.force_backward
    upgraded.layers.extend(layers)
    net.CopyFrom(upgraded)


def _without_padding_layers(net: NetParameter) -> Iterator[V1LayerParameter]:
    """Yield the layers, with each padding layer's pad in the layers that read it (UpgradeV0PaddingLayers)."""
    maker: dict[str, V1LayerParameter | None] = dict.fromkeys(net.input)
    for original in net.layers:
        layer = V1LayerParameter()
        layer.CopyFrom(original)
        for index, blob in enumerate(original.bottom):
            if blob not in maker:
                raise BadNetError(f'layer "{original.layer.name}" reads the blob "{blob}", which none makes')
            source = maker[blob]
            if source is not None and source.layer.type == _PADDING:
                _absorb_padding(layer, index, source)
        maker.update(dict.fromkeys(original.top, original))
        if original.layer.type != _PADDING:
            yield layer


def _absorb_padding(layer: V1LayerParameter, index: int, padding: V1LayerParameter) -> None:
    if layer.layer.type not in ("conv", "pool") or len(layer.bottom) != 1:
        raise BadNetError(
            f'layer "{layer.layer.name}" reads the padding layer "{padding.layer.name}"; only convolution or '
            "pooling can take its padding"
        )
    if len(padding.bottom) != 1 or len(padding.top) != 1:
        raise BadNetError(f'padding layer "{padding.layer.name}" needs one bottom and one top')
    layer.layer.pad = padding.layer.pad
    layer.bottom[index] = padding.bottom[0]


def _upgrade_layer(connection: V1LayerParameter) -> V1LayerParameter:
    new = V1LayerParameter(bottom=connection.bottom, top=connection.top)
    if not connection.HasField("layer"):
        raise BadNetError(
            f'layer "{connection.name}" is not of the oldest form, as others are; write all in one'
        )
    old = connection.layer
    if old.HasField("name"):
        new.name = old.name
    if old.HasField("type"):
        new.type = _type(old)
    new.blobs.extend(old.blobs)
    new.blobs_lr.extend(old.blobs_lr)
    new.weight_decay.extend(old.weight_decay)
    for field, _ in old.ListFields():
        if field.name not in _KEPT:
            _move(old, field.name, new)
    if old.HasField("hdf5_output_param"):
        new.hdf5_output_param.CopyFrom(old.hdf5_output_param)
    return new


def _type(old: V0LayerParameter) -> V1LayerParameter.LayerType:
    if old.type not in V0_TYPES:
        raise BadNetError(
            f'layer "{old.name}" of the oldest form has the unknown type "{old.type}"'
            + did_you_mean(old.type, V0_TYPES)
        )
    return V0_TYPES[old.type]


def _move(old: V0LayerParameter, field: str, new: V1LayerParameter) -> None:
    """Put the value of one V0 field where it belongs today."""
    if field in _TRANSFORM:
        setattr(new.transform_param, _TRANSFORM[field], getattr(old, field))
        return
    name, types = _MOVES.get(field, ("", frozenset()))
    if old.type not in types:
        raise BadNetError(
            f'layer "{old.name}" of type {old.type} has no use for its field {field}; take it out'
        )
    param = getattr(new, _PARAM_OF[old.type])
    value = getattr(old, field)
    if field.endswith("_filler"):
        getattr(param, name).CopyFrom(value)
    elif param.DESCRIPTOR.fields_by_name[name].is_repeated:
        getattr(param, name).append(value)
    else:
        setattr(param, name, value)
