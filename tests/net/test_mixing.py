"""Layers that compute with several images at once are refused; those that keep axis 0 are not."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.mixing import refuse_mixing, refuse_reindexing
from ftjob.net.topology.shapes import infer_shapes

FRAME = """
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 4 dim: 6 dim: 6 }} }} }}
{layers}
"""


def layer(kind: str, param: str = "", bottom: str = "data", top: str = "x", name: str = "m") -> str:
    bottoms = " ".join(f'bottom: "{blob}"' for blob in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top}" {param} }}\n'


def reshape(dims: str, bottom: str = "data", top: str = "x") -> str:
    shape = " ".join(f"dim: {dim}" for dim in dims.split())
    return layer("Reshape", f"reshape_param {{ shape {{ {shape} }} }}", bottom, top)


FC = layer("InnerProduct", "inner_product_param { num_output: 3 }", "x", "fc", name="fc")
MIXING = {
    "softmax over images": layer("Softmax", "softmax_param { axis: 0 }") + FC,
    "softmax counted from the end": layer("Softmax", "softmax_param { axis: -4 }") + FC,
    "inner product over all": layer(
        "InnerProduct", "inner_product_param { num_output: 3 axis: 0 }", top="fc"
    ),
    "sum over images": layer("Reduction", "reduction_param { axis: 0 }")
    + layer("Scale", "scale_param { axis: 0 }", "data x", "fc"),
    "images as channels": layer(
        "Convolution", "convolution_param { num_output: 3 kernel_size: 1 axis: 0 }", top="fc"
    ),
    "a factor for each image": layer("Scale", "scale_param { axis: 0 }") + FC,
    "rows that are joined": reshape("1 -1") + FC,
    "two rows for an image": layer("Concat", "concat_param { axis: 0 }", "data data") + FC,
}
KEEPING = {
    "flatten": layer("Flatten") + FC,
    "reshape with a copied axis": reshape("0 -1") + FC,
    "mean and variance of an image": layer("MVN") + FC,
    "statistics that were collected": layer("BatchNorm", "batch_norm_param { use_global_stats: true }") + FC,
    "one bias for all": 'layer { name: "c" type: "Parameter" top: "c" parameter_param { shape { dim: 4 } } }'
    + layer("Bias", bottom="data c")
    + FC,
    "patches as rows and back": reshape("-1 2 6 6", top="rows") + reshape("-1 144", "rows") + FC,
}


@pytest.mark.parametrize("layers", MIXING.values(), ids=MIXING)
def test_what_mixes_images_is_refused_by_name(layers: str):
    """With what would come of it."""
    with pytest.raises(BadNetError, match=r'("m"|"fc").*depend on the others in its batch'):
        refuse_mixing(parse_net(FRAME.format(layers=layers), "net"), "fc")


@pytest.mark.parametrize("layers", KEEPING.values(), ids=KEEPING)
def test_what_keeps_images_apart_is_not(layers: str):
    """Axis 0 may be cut into more rows for each image, and put together again."""
    refuse_mixing(parse_net(FRAME.format(layers=layers), "net"), "fc")


def test_a_sequence_is_no_batch():
    """A recurrent layer goes through axis 0 in order."""
    layers = (
        reshape("0 1 -1", top="rows")
        + layer("Reduction", "reduction_param { axis: 2 }", "rows", "go_on")
        + layer("LSTM", "recurrent_param { num_output: 3 }", "rows go_on", "fc", name="lstm")
    )
    with pytest.raises(BadNetError, match='"lstm"'):
        refuse_mixing(parse_net(FRAME.format(layers=layers), "net"), "fc")


def test_images_are_not_picked_by_numbers_that_no_plan_knows():
    """Caffe ends at the first number that is the batch size or more, wherever the layer stands."""
    source = 'layer { name: "n" type: "Input" top: "n" input_param { shape { dim: 2 } } }\n'
    picked = FRAME.format(layers=source + layer("BatchReindex", bottom="data n"))
    with pytest.raises(BadNetError, match=r'"m" \(BatchReindex\): .* take it out'):
        refuse_reindexing(infer_shapes(parse_net(picked, "net")))
    refuse_reindexing(infer_shapes(parse_net(FRAME.format(layers=FC.replace('"x"', '"data"')), "net")))
