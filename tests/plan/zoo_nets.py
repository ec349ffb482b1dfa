"""Built-in nets at a batch size, as a plan sees them."""

from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter, Phase
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import NetShapes, data_inputs, infer_shapes


def zoo_net(name: str, batch_size: int, phase: Phase = TRAIN) -> NetParameter:
    """A built-in net in one phase, for that many images at once."""
    net = phase_view(zoo.build(name), phase)
    net.layer[0].data_param.batch_size = batch_size
    return net


def zoo_shapes(name: str, batch_size: int, phase: Phase = TRAIN) -> NetShapes:
    """The shapes of a built-in net for that many images at once."""
    net = zoo_net(name, batch_size, phase)
    return infer_shapes(net, data_inputs(net.layer, (zoo.get(name).channels, 256, 256)))


def frozen_but(learned: str, net: NetParameter) -> NetParameter:
    """The net with every param's lr_mult 0, but for one layer's."""
    for layer in net.layer:
        for param in layer.param if layer.name != learned else ():
            param.lr_mult = 0
    return net
