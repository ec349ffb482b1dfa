"""One layer type after another between a convolution and a classifier: its forward pass shows in the branch's
loss, its backward pass in the convolution's update."""

from tests.engine import nets

CONV = (
    'convolution_param {{ num_output: {n} kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} '
    'bias_filler {{ type: "constant" value: 0.05 }} }}'
)
BRANCH = """
layer {{ name: "{name}_conv" type: "Convolution" bottom: "data" top: "{name}_a" {conv} }}
{layers}
layer {{ name: "{name}_fc" type: "InnerProduct" bottom: "{name}_b" top: "{name}_fc"
  inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "{name}_loss" type: "SoftmaxWithLoss" bottom: "{name}_fc" bottom: "label" top: "{name}"
  {loss} }}
"""

POOLS = {
    "max_3_2": "pool: MAX kernel_size: 3 stride: 2",
    "max_2_2": "pool: MAX kernel_size: 2 stride: 2",
    "max_3_2_pad_1": "pool: MAX kernel_size: 3 stride: 2 pad: 1",
    "max_3_1_pad_2": "pool: MAX kernel_size: 3 stride: 1 pad: 2",
    "max_5_3_pad_1": "pool: MAX kernel_size: 5 stride: 3 pad: 1",
    "max_2_3_apart": "pool: MAX kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 3",
    "max_2_6_pad_1": "pool: MAX kernel_size: 2 stride: 6 pad: 1",
    "max_oblong": "pool: MAX kernel_h: 2 kernel_w: 5 stride_h: 3 stride_w: 2 pad_h: 1 pad_w: 0",
    "max_floor": "pool: MAX kernel_size: 3 stride: 2 round_mode: FLOOR",
    "max_global": "pool: MAX global_pooling: true",
    "ave_3_2": "pool: AVE kernel_size: 3 stride: 2",
    "ave_3_2_pad_1": "pool: AVE kernel_size: 3 stride: 2 pad: 1",
    "ave_3_1_pad_2": "pool: AVE kernel_size: 3 stride: 1 pad: 2",
    "ave_5_3_pad_2": "pool: AVE kernel_size: 5 stride: 3 pad: 2",
    "ave_4_3_pad_1": "pool: AVE kernel_size: 4 stride: 3 pad: 1",
    "ave_2_5": "pool: AVE kernel_size: 2 stride: 5",
    "ave_oblong": "pool: AVE kernel_h: 2 kernel_w: 5 stride_h: 3 stride_w: 2 pad_h: 0 pad_w: 2",
    "ave_floor": "pool: AVE kernel_size: 3 stride: 2 round_mode: FLOOR",
    "ave_global": "pool: AVE global_pooling: true",
}
"""Sides are 11 and 9: windows that end beyond the map, begin in its pad, or leave parts of it out."""

SIMPLE = {
    "relu": ("ReLU", ""),
    "leaky": ("ReLU", "relu_param { negative_slope: 0.1 }"),
    "elu": ("ELU", "elu_param { alpha: 0.7 }"),
    "prelu": ("PReLU", ""),
    "prelu_shared": ("PReLU", "prelu_param { channel_shared: true filler { value: 0.1 } }"),
    "sigmoid": ("Sigmoid", ""),
    "tanh": ("TanH", ""),
    "absval": ("AbsVal", ""),
    "bnll": ("BNLL", ""),
    "power": ("Power", "power_param { power: 2 scale: 0.5 shift: 0.3 }"),
    "power_1": ("Power", "power_param { scale: 0.5 shift: 0.3 }"),
    "exp": ("Exp", "exp_param { base: 2 scale: 0.5 shift: 0.1 }"),
    "exp_e": ("Exp", ""),
    "clip": ("Clip", "clip_param { min: -0.1 max: 0.2 }"),
    "clip_crossed": ("Clip", "clip_param { min: 0.2 max: -0.1 }"),
    "swish": ("Swish", "swish_param { beta: 0.8 }"),
    "dropout_0": ("Dropout", "dropout_param { dropout_ratio: 0 }"),
    "lrn_5": ("LRN", "lrn_param { local_size: 5 alpha: 0.3 beta: 0.75 }"),
    "lrn_3": ("LRN", "lrn_param { local_size: 3 alpha: 1 beta: 0.6 k: 2 }"),
    "lrn_wide": ("LRN", "lrn_param { local_size: 15 alpha: 1 beta: 0.75 }"),
    "lrn_within": ("LRN", "lrn_param { local_size: 3 alpha: 2 beta: 0.75 norm_region: WITHIN_CHANNEL }"),
    "softmax": ("Softmax", ""),
    "softmax_2": ("Softmax", "softmax_param { axis: 2 }"),
    "flatten": ("Flatten", ""),
    "flatten_2": ("Flatten", "flatten_param { axis: 2 end_axis: -1 }"),
    "reshape": ("Reshape", "reshape_param { shape { dim: 0 dim: 2 dim: -1 } }"),
    "tile": ("Tile", "tile_param { axis: 1 tiles: 2 }"),
    "reduction": ("Reduction", "reduction_param { axis: 2 operation: SUMSQ coeff: 0.1 }"),
    "reduction_mean": ("Reduction", "reduction_param { axis: 3 operation: MEAN }"),
    "scale": ("Scale", "scale_param { bias_term: true filler { value: 0.8 } }"),
    "scale_all": ("Scale", "scale_param { axis: 1 num_axes: -1 }"),
    "scale_scalar": ("Scale", "scale_param { num_axes: 0 }"),
    "bias": ("Bias", "bias_param { filler { value: 0.2 } }"),
    "grouped": (
        "Convolution",
        "convolution_param { num_output: 6 group: 3 kernel_size: 3 stride: 2 "
        'weight_filler { type: "msra" } }',
    ),
    "dilated": (
        "Convolution",
        "convolution_param { num_output: 5 dilation: 2 kernel_h: 3 kernel_w: 2 pad_h: 2 pad_w: 1 "
        "bias_term: false "
        'weight_filler { type: "gaussian" std: 0.1 } }',
    ),
    "deconvolution": (
        "Deconvolution",
        "convolution_param { num_output: 4 group: 2 kernel_size: 4 stride: 2 pad: 1 "
        'weight_filler { type: "uniform" min: -0.1 max: 0.1 } }',
    ),
    "inner_2": (
        "InnerProduct",
        "inner_product_param { num_output: 5 axis: 2 "
        'weight_filler { type: "xavier" variance_norm: AVERAGE } }',
    ),
    "inner_transposed": (
        "InnerProduct",
        'inner_product_param { num_output: 5 transpose: true weight_filler { type: "xavier" } }',
    ),
    "batch_norm": ("BatchNorm", ""),
    "batch_norm_settings": ("BatchNorm", "batch_norm_param { moving_average_fraction: 0.7 eps: 0.01 }"),
    "batch_norm_without_eps": ("BatchNorm", "batch_norm_param { eps: 0 }"),
}
"""One bottom, one top; the map below has 6 channels."""

SEVERAL = {
    "concat": """
layer { name: "NAME_r" type: "ReLU" bottom: "NAME_a" top: "NAME_r" }
layer { name: "NAME_x" type: "Concat" bottom: "NAME_a" bottom: "NAME_r" bottom: "NAME_a" top: "NAME_b" }""",
    "concat_2": """
layer { name: "NAME_r" type: "TanH" bottom: "NAME_a" top: "NAME_r" }
layer { name: "NAME_x" type: "Concat" bottom: "NAME_a" bottom: "NAME_r" top: "NAME_b"
  concat_param { axis: 2 } }""",
    "slice": """
layer { name: "NAME_s" type: "Slice" bottom: "NAME_a" top: "NAME_1" top: "NAME_2" top: "NAME_3"
  slice_param { slice_point: 1 slice_point: 4 } }
layer { name: "NAME_z" type: "Silence" bottom: "NAME_1" }
layer { name: "NAME_x" type: "Concat" bottom: "NAME_3" bottom: "NAME_2" top: "NAME_b" }""",
    "eltwise_sum": """
layer { name: "NAME_r" type: "TanH" bottom: "NAME_a" top: "NAME_r" }
layer { name: "NAME_x" type: "Eltwise" bottom: "NAME_a" bottom: "NAME_r" top: "NAME_b"
  eltwise_param { coeff: 0.5 coeff: -1 } }""",
    "eltwise_prod": """
layer { name: "NAME_r" type: "Sigmoid" bottom: "NAME_a" top: "NAME_r" }
layer { name: "NAME_x" type: "Eltwise" bottom: "NAME_a" bottom: "NAME_r" top: "NAME_b"
  eltwise_param { operation: PROD } }""",
    "eltwise_max": """
layer { name: "NAME_r" type: "ReLU" bottom: "NAME_a" top: "NAME_r" }
layer { name: "NAME_p" type: "Power" bottom: "NAME_a" top: "NAME_p" power_param { scale: -1 } }
layer { name: "NAME_x" type: "Eltwise" bottom: "NAME_a" bottom: "NAME_r" bottom: "NAME_p" bottom: "NAME_r"
  top: "NAME_b" eltwise_param { operation: MAX } }""",
    "in_place": """
layer { name: "NAME_bn" type: "BatchNorm" bottom: "NAME_a" top: "NAME_a" }
layer { name: "NAME_sc" type: "Scale" bottom: "NAME_a" top: "NAME_a" scale_param { bias_term: true } }
layer { name: "NAME_re" type: "ReLU" bottom: "NAME_a" top: "NAME_a" }
layer { name: "NAME_x" type: "Pooling" bottom: "NAME_a" top: "NAME_b"
  pooling_param { kernel_size: 3 stride: 2 } }""",
    "scale_by_blob": """
layer { name: "NAME_p" type: "Pooling" bottom: "NAME_a" top: "NAME_p" pooling_param { global_pooling: true } }
layer { name: "NAME_f" type: "Flatten" bottom: "NAME_p" top: "NAME_f" }
layer { name: "NAME_x" type: "Scale" bottom: "NAME_a" bottom: "NAME_f" top: "NAME_b"
  scale_param { axis: 0 } }""",
    "crop": """
layer { name: "NAME_p" type: "Pooling" bottom: "NAME_a" top: "NAME_p" pooling_param { kernel_size: 5 } }
layer { name: "NAME_x" type: "Crop" bottom: "NAME_a" bottom: "NAME_p" top: "NAME_b"
  crop_param { axis: 2 offset: 2 offset: 1 } }
layer { name: "NAME_z" type: "Silence" bottom: "NAME_p" }""",
    "cut_off": """
layer { name: "NAME_r" type: "TanH" bottom: "NAME_a" top: "NAME_r" propagate_down: false }
layer { name: "NAME_x" type: "Eltwise" bottom: "NAME_a" bottom: "NAME_r" top: "NAME_b" }""",
    "shared": """
layer { name: "NAME_1" type: "Convolution" bottom: "NAME_a" top: "NAME_1"
  param { name: "w" } param { name: "v" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "NAME_2" type: "Convolution" bottom: "NAME_1" top: "NAME_b"
  param { name: "w" } param { name: "v" }
  convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }""",
}

LOSSES = {
    "weighted": "loss_weight: 0.3",
    "ignoring": "loss_param { ignore_label: 1 }",
    "ignoring_full": "loss_param { ignore_label: 1 normalization: FULL }",
    "by_batch": "loss_param { normalization: BATCH_SIZE }",
    "summed": "loss_param { normalization: NONE } loss_weight: 0.1",
    "old_normalize": "loss_param { normalize: false }",
}


def branches() -> dict[str, str]:
    """The prototxt of every branch by name, which is also its loss's blob."""
    layer = 'layer {{ name: "{0}_x" type: "{1}" bottom: "{0}_a" top: "{0}_b" {2} }}'
    inner = {name: layer.format(name, "Pooling", f"pooling_param {{ {p} }}") for name, p in POOLS.items()}
    inner |= {name: layer.format(name, kind, settings) for name, (kind, settings) in SIMPLE.items()}
    inner |= {name: text.replace("NAME", name) for name, text in SEVERAL.items()}
    plain = {name: layer.format(name, "ReLU", "") for name in LOSSES}
    return {
        name: BRANCH.format(name=name, layers=text, conv=CONV.format(n=6), loss=LOSSES.get(name, ""))
        for name, text in (inner | plain).items()
    }


INCEPTION = (
    nets.data(4, 4)
    + """
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 8 kernel_size: 3 stride: 2 pad: 1 weight_filler { type: "msra" } } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "scale1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1"
  lrn_param { local_size: 5 alpha: 0.01 beta: 0.75 } }
layer { name: "one" type: "Convolution" bottom: "norm1" top: "one"
  convolution_param { num_output: 4 kernel_size: 1 weight_filler { type: "xavier" } } }
layer { name: "three" type: "Convolution" bottom: "norm1" top: "three"
  convolution_param { num_output: 6 group: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "pooled" type: "Pooling" bottom: "norm1" top: "pooled"
  pooling_param { pool: MAX kernel_size: 3 stride: 1 pad: 1 } }
layer { name: "output" type: "Concat" bottom: "one" bottom: "three" bottom: "pooled" top: "output" }
layer { name: "relu2" type: "ReLU" bottom: "output" top: "output" }
layer { name: "pool2" type: "Pooling" bottom: "output" top: "pool2"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "drop" type: "Dropout" bottom: "pool2" top: "pool2" dropout_param { dropout_ratio: 0 } }
layer { name: "aux" type: "InnerProduct" bottom: "norm1" top: "aux"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss1" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "loss1" loss_weight: 0.3 }
layer { name: "fc" type: "InnerProduct" bottom: "pool2" top: "fc"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss2" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss2" }
layer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" }
layer { name: "top2" type: "Accuracy" bottom: "fc" bottom: "label" top: "top2" accuracy_param { top_k: 2 } }
"""
)
"""What GoogLeNet and AlexNet are made of, on a map of 23 by 21: pools that are rounded up and clipped."""
