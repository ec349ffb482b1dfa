"""The deploy net: the part of a train_val that classifies."""

from collections.abc import Sequence

from ftjob.net.proto.caffe_pb2 import TEST, LayerParameter, NetParameter, SoftmaxParameter
from ftjob.net.surgery.data_layers import IMAGES, is_source, make_room
from ftjob.net.surgery.names import free_name
from ftjob.net.topology.graph import graph
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view

PROBABILITIES = "prob"

_FILLED = ("convolution_param", "inner_product_param", "embed_param", "recurrent_param")


def deploy_net(
    train_val: NetParameter, score: str, shape: Sequence[int], softmax: SoftmaxParameter
) -> NetParameter:
    """Return the net that computes `prob` from `data` of a shape (N, C, H, W).

    It has the layers the score blob is computed from in the TEST phase, and a Softmax. Dropout, which does
    nothing there, is left out, and so are fillers and multipliers, which only training needs. BatchNorm gets
    use_global_stats: true.
    """
    test = phase_view(train_val, TEST)
    score = make_room(test, [PROBABILITIES]).get(score, score)
    view = graph(test)
    end = max(index for index, layer in enumerate(view.layers) if score in layer.top)
    needed = view.upstream([end])
    deploy = NetParameter(name=train_val.name)
    taken = _taken_names(train_val)
    first = deploy.layer.add(name=free_name(IMAGES, taken), type="Input", top=[IMAGES])
    first.input_param.shape.add(dim=shape)
    undropped: dict[str, str] = {}
    for index in sorted(needed):
        layer = view.layers[index]
        bottoms = [undropped.get(blob, blob) for blob in layer.bottom]
        if layer.type == "Dropout" and bottoms and layer.top:
            undropped[layer.top[0]] = bottoms[0]
        elif not is_source(layer):
            undropped = {blob: name for blob, name in undropped.items() if blob not in layer.top}
            deploy.layer.append(_for_deploy(layer, bottoms))
    last = deploy.layer.add(name=free_name(PROBABILITIES, taken), type="Softmax", top=[PROBABILITIES])
    last.bottom.append(undropped.get(score, score))
    if softmax.ListFields():
        last.softmax_param.CopyFrom(softmax)
    return deploy


def score_blob(deploy: NetParameter) -> str:
    """Return the blob that a net of `deploy_net` has the scores in, which its Softmax reads.

    It is not always the one of the train_val: that may be the top of a Dropout, which is left out.
    """
    return deploy.layer[-1].bottom[0]


def _taken_names(train_val: NetParameter) -> frozenset[str]:
    """Names of layers with params: a caffemodel of the net holds blobs for each of them, and Caffe refuses
    these for another layer of the name (net.cpp, CopyTrainedLayersFrom)."""
    return frozenset(layer.name for layer in train_val.layer if param_count(layer))


def _for_deploy(layer: LayerParameter, bottoms: list[str]) -> LayerParameter:
    copy = LayerParameter()
    copy.CopyFrom(layer)
    copy.bottom[:] = bottoms
    copy.ClearField("loss_weight")
    copy.ClearField("propagate_down")
    for field in _FILLED:
        if copy.HasField(field):
            getattr(copy, field).ClearField("weight_filler")
            getattr(copy, field).ClearField("bias_filler")
    if copy.type == "BatchNorm":  # what Caffe does in TEST; other readers of prototxts take it from here
        copy.batch_norm_param.use_global_stats = True
    if not any(spec.name for spec in copy.param):
        copy.ClearField("param")
    for spec in copy.param if copy.type != "BatchNorm" else ():  # Caffe gives BatchNorm's back
        spec.ClearField("lr_mult")
        spec.ClearField("decay_mult")
    return copy
