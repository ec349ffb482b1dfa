"""Layers in place: Caffe makes some of them and computes something else, which a plan refuses."""

import numpy as np
import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.shapes import infer_shapes
from tests.net.conftest import Caffe

NET = """
layer {{ name: "in" type: "Input" top: "a" top: "b"
  input_param {{ shape {{ dim: {dims} }} shape {{ dim: {dims} }} }} }}
layer {{ name: "x" type: "Power" bottom: "a" top: "x" power_param {{ scale: 2 }} }}
layer {{ name: "y" type: "Power" bottom: "b" top: "y" power_param {{ scale: 3 }} }}
layer {{ name: "tried" type: "{type}" {bottoms} top: "{top}" {settings} }}
layer {{ name: "last" type: "Eltwise" bottom: "{top}" bottom: "y" top: "last" }}
"""
FILLED = 'weight_filler { type: "constant" value: 0.3 }'
ONE = {
    "BNLL": "",
    "BatchNorm": "batch_norm_param { use_global_stats: false }",
    "Bias": 'bias_param { filler { type: "constant" value: 2 } }',
    "Clip": "clip_param { min: -0.5 max: 0.5 }",
    "Concat": "",
    "Convolution": f"convolution_param {{ num_output: 3 kernel_size: 1 {FILLED} }}",
    "Deconvolution": f"convolution_param {{ num_output: 3 kernel_size: 1 {FILLED} }}",
    "ELU": "",
    "Exp": "exp_param { base: 2 scale: 0.5 }",
    "InnerProduct": f"inner_product_param {{ num_output: 3 {FILLED} }}",
    "LRN": "",
    "LRN within": "lrn_param { norm_region: WITHIN_CHANNEL }",
    "Log": "log_param { shift: 9 }",
    "MVN": "",
    "PReLU": "",
    "Pooling": "pooling_param { kernel_size: 3 stride: 1 pad: 1 pool: AVE }",
    "Pooling max": "pooling_param { kernel_size: 1 }",
    "Power": "power_param { power: 2 shift: 0.1 }",
    "ReLU": "relu_param { negative_slope: 0.1 }",
    "Scale": 'scale_param { filler { type: "constant" value: 2 } }',
    "Sigmoid": "",
    "Slice": "",
    "Softmax": "",
    "Swish": "",
    "TanH": "",
    "Tile": "tile_param { tiles: 1 }",
}
TWO = {
    "Crop": "crop_param { axis: 2 }",
    "Eltwise": "",
    "Eltwise product": "eltwise_param { operation: PROD }",
    "Eltwise largest": "eltwise_param { operation: MAX }",
}


def net(name: str, shape: tuple[int, ...], top: str) -> str:
    """A net with a layer whose top is `x`, its bottom, or something else."""
    type_, *_ = name.split()
    return NET.format(
        type=type_,
        dims=list(shape),
        top=top,
        bottoms='bottom: "x" bottom: "y"' if name in TWO else 'bottom: "x"',
        settings={**ONE, **TWO}[name],
    )


@pytest.mark.parametrize("name", [*ONE, *TWO])
def test_a_layer_may_work_in_place_where_caffe_computes_the_same_so(caffe: Caffe, name: str) -> None:
    """And is refused where it does not; with a top of its own each is taken."""
    shape = (2, 3) if name == "InnerProduct" else (2, 3, 4, 4)
    random = np.random.default_rng(1)
    inputs = {blob: random.normal(size=shape).ravel().tolist() for blob in ("a", "b")}
    texts = {top: net(name, shape, top) for top in ("apart", "x")}
    made = {}
    for top, text in texts.items():
        path = caffe.folder / "in_place.prototxt"
        path.write_text(text)
        made[top] = caffe.ask("compute", prototxt=path, inputs=inputs)["output"]
    assert made["apart"] != [0.0] * len(made["apart"])
    infer_shapes(parse_net(texts["apart"], "net"))

    if np.allclose(made["apart"], made["x"], atol=1e-5):
        infer_shapes(parse_net(texts["x"], "net"))
    else:
        with pytest.raises(BadNetError, match=r'layer "tried" .* cannot work in place'):
            infer_shapes(parse_net(texts["x"], "net"))
