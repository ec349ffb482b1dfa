"""Which layers run backward is decided as Caffe decides it."""

from random import Random

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import BlobShape, NetParameter
from ftjob.net.topology.backward import LayerBackward, backward
from ftjob.net.topology.shapes import NetShapes, infer_shapes
from tests.zoo.conftest import AskCaffe, CaffeNet
from tests.zoo.random_graphs import random_graph

GRAPHS = 120


def accepted(net: NetParameter) -> bool:
    """Say whether the inference accepts a net."""
    try:
        infer_shapes(net)
    except BadNetError:
        return False
    return True


def running(shapes: NetShapes) -> set[str]:
    """The layers that run backward."""
    return {layer.name for layer, back in zip(shapes.layers, backward(shapes), strict=True) if back.runs}


def test_random_graphs_run_backward_as_in_caffe(ask_caffe: AskCaffe) -> None:
    """Frozen, cut off, shared and weighed at random, a net runs backward in the layers Caffe says."""
    nets = [random_graph(Random(seed)) for seed in range(GRAPHS)]
    for net, caffe in zip(nets, ask_caffe(nets), strict=True):
        assert accepted(net) == isinstance(caffe, CaffeNet), f"{net}\n{caffe}"
        if isinstance(caffe, CaffeNet):
            ours = infer_shapes(net)

            assert (running(ours), ours.memory_bytes) == (caffe.backward, caffe.memory), net
            assert ours.params == caffe.params
    assert sum(map(accepted, nets)) > GRAPHS / 2


def test_force_backward_runs_every_layer() -> None:
    """With force_backward gradients go down to the images of a net that learns nothing, not to its labels."""
    net = NetParameter(force_backward=True)
    data = net.layer.add(name="data", type="Input", top=["data", "label"])
    data.input_param.shape.extend([BlobShape(dim=[2, 4]), BlobShape(dim=[2])])
    net.layer.add(name="loss", type="SoftmaxWithLoss", top=["loss"], bottom=["data", "label"])

    assert backward(infer_shapes(net))[-1] == LayerBackward(True, (True, False), ())
