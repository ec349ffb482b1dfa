"""Old prototxts and caffemodels in today's form, as Caffe's upgrade_proto.cpp makes them."""

from google.protobuf.message import Message

from ftjob.errors import BadNetError
from ftjob.net.legacy.upgrade_v0 import V0_TYPES, upgrade_v0
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter, SolverParameter, V1LayerParameter
from ftjob.net.solver_types import SOLVER_TYPES

V1 = V1LayerParameter

V1_TYPES = {
    V1.NONE: "",
    V1.ABSVAL: "AbsVal",
    V1.ACCURACY: "Accuracy",
    V1.ARGMAX: "ArgMax",
    V1.BNLL: "BNLL",
    V1.CONCAT: "Concat",
    V1.CONTRASTIVE_LOSS: "ContrastiveLoss",
    V1.CONVOLUTION: "Convolution",
    V1.DATA: "Data",
    V1.DECONVOLUTION: "Deconvolution",
    V1.DROPOUT: "Dropout",
    V1.DUMMY_DATA: "DummyData",
    V1.EUCLIDEAN_LOSS: "EuclideanLoss",
    V1.ELTWISE: "Eltwise",
    V1.EXP: "Exp",
    V1.FLATTEN: "Flatten",
    V1.HDF5_DATA: "HDF5Data",
    V1.HDF5_OUTPUT: "HDF5Output",
    V1.HINGE_LOSS: "HingeLoss",
    V1.IM2COL: "Im2col",
    V1.IMAGE_DATA: "ImageData",
    V1.INFOGAIN_LOSS: "InfogainLoss",
    V1.INNER_PRODUCT: "InnerProduct",
    V1.LRN: "LRN",
    V1.MEMORY_DATA: "MemoryData",
    V1.MULTINOMIAL_LOGISTIC_LOSS: "MultinomialLogisticLoss",
    V1.MVN: "MVN",
    V1.POOLING: "Pooling",
    V1.POWER: "Power",
    V1.RELU: "ReLU",
    V1.SIGMOID: "Sigmoid",
    V1.SIGMOID_CROSS_ENTROPY_LOSS: "SigmoidCrossEntropyLoss",
    V1.SILENCE: "Silence",
    V1.SLICE: "Slice",
    V1.SOFTMAX: "Softmax",
    V1.SOFTMAX_LOSS: "SoftmaxWithLoss",
    V1.SPLIT: "Split",
    V1.TANH: "TanH",
    V1.THRESHOLD: "Threshold",
    V1.WINDOW_DATA: "WindowData",
}

OLD_NAMES: dict[str, str] = {
    **{V1.LayerType.Name(number): today for number, today in V1_TYPES.items() if today},
    **{name: V1_TYPES[number] for name, number in V0_TYPES.items()},
}
"""What layer types are called in the two forms of old, `INNER_PRODUCT` and `innerproduct` → today's name."""

_TRANSFORMED = {V1.DATA: "data_param", V1.IMAGE_DATA: "image_data_param", V1.WINDOW_DATA: "window_data_param"}
_TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")
_DIMS_OF_AN_INPUT = 4
_BATCH_NORM_PARAMS = 3


def upgrade_net(net: NetParameter) -> None:
    """Bring a net to the current form, in place: V0 and V1 layers, data transforms, inputs, BatchNorm params.

    Raises BadNetError where Caffe would end, and where it would continue without a part of the net.
    """
    if any(layer.HasField("layer") for layer in net.layers):
        upgrade_v0(net)
    if any(_has_old_transform(layer) for layer in net.layers):
        for layer in net.layers:
            _upgrade_transform(layer)
    if net.layers:
        _upgrade_v1(net)
    if net.input:
        _upgrade_input(net)
    for modern in net.layer:
        if modern.type == "BatchNorm" and len(modern.param) == _BATCH_NORM_PARAMS:
            for spec in modern.param:
                spec.lr_mult = spec.decay_mult = 0


def upgrade_solver(solver: SolverParameter) -> None:
    """Replace `solver_type: ADAM` by `type: "Adam"`, in place. Raises BadNetError where both are given."""
    if not solver.HasField("solver_type"):
        return
    if solver.HasField("type"):
        raise BadNetError("the solver gives both type and solver_type; keep type alone")
    names = {name.upper(): name for name in SOLVER_TYPES}
    solver.type = names[SolverParameter.SolverType.Name(solver.solver_type)]
    solver.ClearField("solver_type")


def _has_old_transform(layer: V1LayerParameter) -> bool:
    field = _TRANSFORMED.get(layer.type)
    return field is not None and any(getattr(layer, field).HasField(name) for name in _TRANSFORMS)


def _upgrade_transform(layer: V1LayerParameter) -> None:
    field = _TRANSFORMED.get(layer.type)
    if field is None:
        return
    old = getattr(layer, field)
    for message in (old, layer.transform_param):  # as Caffe does, which shows in the text
        message.SetInParent()
    for name in _TRANSFORMS:
        if old.HasField(name):
            setattr(layer.transform_param, name, getattr(old, name))
            old.ClearField(name)


def _upgrade_v1(net: NetParameter) -> None:
    if net.layer:
        raise BadNetError(
            'the net mixes "layers" of the old form with "layer" of today\'s, and Caffe drops the latter; '
            "write all in one form"
        )
    net.layer.extend(upgrade_v1_layer(layer) for layer in net.layers)
    del net.layers[:]


def upgrade_v1_layer(old: V1LayerParameter) -> LayerParameter:
    """Return a V1 layer in today's form. Raises BadNetError for a V0 layer among V1 layers."""
    if old.HasField("layer"):
        raise BadNetError(f'layer "{old.layer.name}" has the oldest form, in a net of the old form')
    new = LayerParameter(bottom=old.bottom, top=old.top, loss_weight=old.loss_weight)
    if old.HasField("name"):
        new.name = old.name
    if old.HasField("type"):
        new.type = V1_TYPES[old.type]
    new.include.extend(old.include)
    new.exclude.extend(old.exclude)
    new.blobs.extend(old.blobs)
    _upgrade_param_specs(old, new)
    for field, value in old.ListFields():
        if isinstance(value, Message) and field.name.endswith("_param"):
            getattr(new, field.name).CopyFrom(value)
    return new


def _upgrade_param_specs(old: V1LayerParameter, new: LayerParameter) -> None:
    columns = (
        ("name", old.param),
        ("share_mode", old.blob_share_mode),
        ("lr_mult", old.blobs_lr),
        ("decay_mult", old.weight_decay),
    )
    for _ in range(max(len(values) for _, values in columns)):
        new.param.add()
    for name, values in columns:
        for spec, value in zip(new.param, values, strict=False):
            setattr(spec, name, value)


def _upgrade_input(net: NetParameter) -> None:
    shapes = _input_shapes(net)
    if shapes:
        layers = list(net.layer)
        del net.layer[:]
        first = net.layer.add(name="input", type="Input", top=net.input)
        for shape in shapes:
            first.input_param.shape.add(dim=shape)
        net.layer.extend(layers)
    for field in ("input", "input_shape", "input_dim"):
        net.ClearField(field)


def _input_shapes(net: NetParameter) -> list[list[int]]:
    """Shapes of the net's inputs; none for a caffemodel of old, which has the names of its inputs alone."""
    dims = list(net.input_dim)
    count = len(net.input)
    if net.input_shape:
        shapes = [list(shape.dim) for shape in net.input_shape]
    else:
        shapes = [dims[start : start + _DIMS_OF_AN_INPUT] for start in range(0, len(dims), _DIMS_OF_AN_INPUT)]
        if len(dims) != _DIMS_OF_AN_INPUT * len(shapes):
            raise BadNetError(f"the net has {len(dims)} input_dim; each of its {count} input takes four")
    if shapes and len(shapes) != count:
        raise BadNetError(f"the net has {count} input and {len(shapes)} shapes for them; give one for each")
    return shapes
