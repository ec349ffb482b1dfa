"""The layer types of Caffe 1.0, each with the rule of its shapes."""

from ftjob.net.layers import arrange, elementwise, learned, losses, pooling, recurrent, sources, windows
from ftjob.net.layers.rule import Rule, refuse
from ftjob.net.proto.caffe_pb2 import LayerParameter
from ftjob.suggest import did_you_mean

RULES: dict[str, Rule] = {
    **arrange.RULES,
    **elementwise.RULES,
    **learned.RULES,
    **losses.RULES,
    **pooling.RULES,
    **recurrent.RULES,
    **sources.RULES,
    **windows.RULES,
}


def rule_of(layer: LayerParameter) -> Rule:
    """Return the rule of a layer's type. Raises BadNetError for Python layers and for types that Caffe 1.0
    has not."""
    if layer.type == "Python":
        raise refuse(
            layer, "what a Python layer makes is known only by running it; nets with one are refused"
        )
    if layer.type not in RULES:
        raise refuse(layer, f"Caffe 1.0 has no layer of this type{did_you_mean(layer.type, RULES)}")
    return RULES[layer.type]
