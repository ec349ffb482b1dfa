"""Prototxts of Caffe's forks: rewritten where Caffe 1.0 computes the same, else reported by line and fork."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net, parse_net_with_notes, to_text

INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 dim: 2 dim: 3 } } }\n'
)
VALUES = np.array([-7, -1, -0.5, 0.25, 0.5, 1, 2, 3, 5.5, 6.5, 7, 100], np.float64)


def _compute(caffe: Any, folder: Path, layers: str, **inputs: Any) -> tuple[np.ndarray, np.ndarray]:
    net = parse_net(INPUT + layers, "fork")
    net.force_backward = True
    path = folder / "net.prototxt"
    path.write_text(to_text(net))
    values = {name: np.asarray(value).ravel().tolist() for name, value in inputs.items()}
    answer = caffe.ask("compute", prototxt=path, inputs=values)
    return np.array(answer["output"]), np.array(answer["gradient"]["data"])


AROUND = (
    'layer {{ name: "in" type: "Power" bottom: "data" top: "x" }}\n{}\n'
    'layer {{ name: "out" type: "Power" bottom: "{}" top: "out" }}'
)


@pytest.mark.parametrize("top", ["x", "y"])
def test_relu6_computes_what_the_fork_does(caffe: Any, tmp_path: Path, top: str) -> None:
    """ReLU6 clips to 0 and 6, and passes gradients between only, in place and not."""
    layers = AROUND.format(f'layer {{ name: "r" type: "ReLU6" bottom: "x" top: "{top}" }}', top)

    output, gradient = _compute(caffe, tmp_path, layers, data=VALUES)

    assert output == pytest.approx(VALUES.clip(0, 6))
    assert gradient == pytest.approx(((VALUES > 0) & (VALUES < 6)).astype(float))


@pytest.mark.parametrize(
    ("top", "param", "factor", "alpha"),
    [
        ("x", "", 1.050700987, 1.67326324),
        ("y", "", 1.050700987, 1.67326324),
        ("x", "selu_param { lambda: 2 alpha: 0.5 }", 2.0, 0.5),
    ],
)
def test_selu_computes_what_the_fork_does(
    caffe: Any, tmp_path: Path, top: str, param: str, factor: float, alpha: float
) -> None:
    """SELU is lambda times x, or lambda alpha (e^x - 1) below 0, and so is its gradient."""
    layers = AROUND.format(f'layer {{ name: "s" type: "SELU" bottom: "x" top: "{top}" {param} }}', top)

    output, gradient = _compute(caffe, tmp_path, layers, data=VALUES)

    below = alpha * np.expm1(np.minimum(VALUES, 0))
    assert output == pytest.approx(factor * np.where(VALUES > 0, VALUES, below), rel=1e-5)
    assert gradient == pytest.approx(factor * np.where(VALUES > 0, 1, below + alpha), rel=1e-4)


def test_axpy_computes_what_the_fork_does(caffe: Any, tmp_path: Path) -> None:
    """Axpy is a number per channel times x, plus y."""
    layers = """
        layer { name: "a" type: "Input" top: "a" input_param { shape { dim: 1 dim: 2 dim: 1 dim: 1 } } }
        layer { name: "y" type: "Power" bottom: "data" top: "y" power_param { shift: 3 } }
        layer { name: "se" type: "Axpy" bottom: "a" bottom: "data" bottom: "y" top: "se" }
    """

    output, _ = _compute(caffe, tmp_path, layers, data=VALUES, a=[0.5, -2])

    channels = np.repeat([0.5, -2], 6)
    assert output == pytest.approx(channels * VALUES + VALUES + 3, rel=1e-6)


@pytest.mark.parametrize("kind", ["ConvolutionDepthwise", "DepthwiseConvolution"])
@pytest.mark.parametrize("group", ["", "group: 2"])
def test_depthwise_is_a_grouped_convolution(kind: str, group: str) -> None:
    """Depthwise convolutions get one group per channel, written or not."""
    net = parse_net(
        f'{INPUT} layer {{ name: "d" type: "{kind}" bottom: "data" top: "d" '
        f"convolution_param {{ num_output: 2 {group} }} }}",
        "fork",
    )

    assert (net.layer[1].type, net.layer[1].convolution_param.group) == ("Convolution", 2)


POOL = (
    'layer {{ name: "p{0}" type: "Pooling" bottom: "data" top: "p{0}" '
    "pooling_param {{ kernel_size: 2 ceil_mode: {1} }} }}\n"
)


def test_ceil_mode_goes_or_becomes_round_mode() -> None:
    """ceil_mode: true is what Caffe 1.0 does anyhow, false is its round_mode: FLOOR; both are noted once."""
    text = INPUT + POOL.format(1, "true") + POOL.format(2, "true") + POOL.format(3, "false")

    parsed = parse_net_with_notes(text, "fork")

    pools = [layer.pooling_param for layer in parsed.net.layer[1:]]
    assert [pool.HasField("round_mode") for pool in pools] == [False, False, True]
    assert pools[2].round_mode == pools[2].FLOOR
    assert [str(note) for note in parsed.notes] == [
        "line 2: layer p1 and 1 more: pooling_param.ceil_mode rounds as Caffe 1.0 does; left out",
        "line 4: layer p3: pooling_param.ceil_mode rounds down, which Caffe 1.0 calls round_mode: FLOOR; "
        "left out",
    ]
    assert not parsed.foreign


def test_a_large_net_may_have_it_everywhere() -> None:
    """However often a fork's field stands in a prototxt, it is one note."""
    parsed = parse_net_with_notes(INPUT + "".join(POOL.format(index, "true") for index in range(99)), "fork")

    (note,) = parsed.notes
    assert str(note).startswith("line 2: layer p0 and 98 more: pooling_param.ceil_mode")


def test_ceil_mode_in_old_prototxts_too() -> None:
    """V1 layers of forks are read alike."""
    net = parse_net(
        'layers { name: "p" type: POOLING pooling_param { kernel_size: 2 ceil_mode: false } }', "fork"
    )

    assert net.layer[0].pooling_param.round_mode == net.layer[0].pooling_param.FLOOR


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            'layer { name: "i" type: "Interp" bottom: "data" top: "i" interp_param { zoom_factor: 2 } }',
            "fork: line 2: layer i: type Interp is of the DeepLab and PSPNet forks: Caffe 1.0 cannot",
        ),
        (
            'layer { name: "c" type: "Convolution" bottom: "data" \n convolution_param { relu: true } }',
            "fork: line 3: layer c: convolution_param.relu makes Intel's fork compute a ReLU within the "
            "layer; write a ReLU layer after it instead$",
        ),
        (
            'layer { name: "l" type: "FocalLoss" bottom: "data" }',
            "type FocalLoss is of forks for detection: Caffe 1.0 cannot run it; write SoftmaxWithLoss",
        ),
        (
            'layer { name: "m" type: "MarginInnerProduct" bottom: "data" bottom: "label" top: "m" top: "n" }',
            "Caffe 1.0 cannot run it; write InnerProduct with its first bottom and top$",
        ),
        (
            'layer { name: "m" type: "LabelSpecificAdd" bottom: "data" bottom: "label" top: "m" }',
            "Caffe 1.0 cannot run it; take it out, and let its readers read its first bottom$",
        ),
        (
            'layer { name: "t" type: "TripletLoss" bottom: "data" bottom: "label" top: "t" }',
            "Caffe 1.0 cannot run it; take it out, if a softmax loss stands beside it$",
        ),
        (
            'layer { name: "f" type: "InnerProduct" inner_product_param { num_output: 2 normalize: true } }',
            "inner_product_param.normalize divides the weights of each output by their norm",
        ),
        (
            'layer { name: "r" type: "ReLU6" bottom: "data" top: "r" include { phase: TRAIN } }',
            "layer r: type ReLU6 is of MobileNet's forks: Caffe 1.0 cannot run it",
        ),
        (
            'layer { name: "p" type: "Permute" permute_param { order: 1 } }\nlayer { name: "q" type: "BN" }',
            r"\(and 1 more such",
        ),
        (
            'layer { name: "c" type: "Convolution" convolution_param { engine: CUDN } }',
            "fork:2:67: ConvolutionParameter.Engine has no value CUDN; did you mean CUDNN",
        ),
        (
            "layers { name: 'b' type: BN }",
            "fork:2:26: V1LayerParameter.LayerType has no value BN: it is of the SegNet",
        ),
        (
            'layer { name: "p" type: "Pooling" pooling_param { ceil_moda: true } }',
            "fork:2:51: PoolingParameter has no field ceil_moda",
        ),
        (
            'layer { name: "c" type: "Convolution" frozen: true }',
            "fork:2:39: LayerParameter has no field frozen, over which Caffe 1.0 ends; take it out$",
        ),
    ],
)
def test_what_only_a_fork_runs_is_refused(layers: str, message: str) -> None:
    """What Caffe 1.0 cannot compute is refused with its line, its layer and whose it is."""
    with pytest.raises(BadNetError, match=message):
        parse_net(INPUT + layers, "fork")


def test_settings_of_engines_and_precision_go() -> None:
    """Which library computes, and how precisely, is not what the net is."""
    text = """
        default_forward_type: FLOAT16
        layer { name: "c" type: "Convolution" forward_type: FLOAT convolution_param { engine: MKL2017 } }
        layer { name: "b" type: "BatchNorm" batch_norm_param { engine: CUDNN scale_bias: false eps: 0.1 } }
        layer { name: "s" type: "Split" split_param { engine: MKL2017 } }
    """

    parsed = parse_net_with_notes(text, "fork")

    assert not parsed.foreign
    assert len(parsed.notes) == 6
    assert not parsed.net.layer[0].convolution_param.HasField("engine")
    assert parsed.net.layer[1].batch_norm_param.eps == pytest.approx(0.1)


@pytest.mark.parametrize(
    "field",
    [
        "eltwise_mem_sharing: true",
        "default_cudnn_math_override: -1",
        "reduce_buckets: 6",
        'layer { name: "r" type: "ReLU" debug: true cudnn_math_override: 0 }',
        'layer { name: "r" type: "ReLU" engine: "MKLDNN:CPU" relu_param { fuse: true } }',
        'layer { name: "d" type: "Dropout" dropout_param { engine: CUDNN random_seed: 7 } }',
        'layer { name: "p" type: "Pooling" pooling_param { avg_include_pad: true axis: 1 } }',
        'layer { name: "c" type: "Convolution" convolution_param { relu: false conv_algorithm: "auto" } }',
        'layer { name: "b" type: "BatchNorm" batch_norm_param { scale_bias: false stats_batch_size: 0 } }',
        'layer { name: "l" type: "SoftmaxWithLoss" loss_param { label_smoothing: 0 } }',
    ],
)
def test_what_a_fork_does_not_compute_is_left_out(field: str) -> None:
    """Where memory lies, which algorithm is taken, what is printed: nothing of it is the net, nor refused."""
    parsed = parse_net_with_notes(INPUT + field, "fork")

    bare = parse_net(to_text(parsed.net), "again")
    assert not parsed.foreign
    assert parsed.notes
    assert all(str(note).endswith("; left out") for note in parsed.notes)
    assert bare == parsed.net


def test_a_field_outside_of_layers_is_not_of_the_layer_before_it() -> None:
    """Behind a data layer, in which any field goes, fields of the net are still judged."""
    text = 'layer { name: "d" type: "Data" top: "data" }\neltwise_mem_sharing: true'

    [note] = parse_net_with_notes(text, "fork").notes

    assert str(note).startswith("line 2: eltwise_mem_sharing says where")
    with pytest.raises(BadNetError, match="NetParameter has no field nonsense"):
        parse_net(text.replace("eltwise_mem_sharing", "nonsense"), "fork")


@pytest.mark.parametrize("top", ["x", "y"])
@pytest.mark.parametrize(
    ("param", "factor", "shift"),
    [
        ("scale_bias: true", 1, 0),
        ("scale_filler { value: 2 } bias_filler { value: 3 }", 2, 3),
    ],
)
def test_a_batch_norm_that_scales_becomes_two_layers(
    caffe: Any, tmp_path: Path, top: str, param: str, factor: float, shift: float
) -> None:
    """NVIDIA's BatchNorm normalizes each channel, then scales and shifts it, in place and not."""
    norm = (
        f'layer {{ name: "n" type: "BatchNorm" bottom: "x" top: "{top}" '
        f"batch_norm_param {{ use_global_stats: false {param} }} }}"
    )

    output, _ = _compute(caffe, tmp_path, AROUND.format(norm, top), data=VALUES)

    channels = VALUES.reshape(2, 6)
    normed = (channels - channels.mean(1, keepdims=True)) / channels.std(1, keepdims=True)
    assert output == pytest.approx((factor * normed + shift).ravel(), rel=1e-4, abs=1e-4)
    assert [layer.name for layer in parse_net(INPUT + norm, "fork").layer[1:]] == ["n", "n/scale"]


@pytest.mark.parametrize(
    ("params", "rates"),
    [
        ("param { lr_mult: 3 } param { lr_mult: 4 }", [3, 4]),
        ("param { lr_mult: 3 } param { lr_mult: 4 } param { lr_mult: 0 } param { lr_mult: 0 }", [3, 4]),
        ("param { lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }", []),
        ("param { lr_mult: 0 } " * 3 + "param { lr_mult: 3 } param { lr_mult: 4 }", [3, 4]),
    ],
)
def test_the_rates_of_scale_and_bias_go_with_them(params: str, rates: list[float]) -> None:
    """NVIDIA's BatchNorm of 0.15 has them first, that of 0.16 last; statistics never learn."""
    norm = f'layer {{ name: "n" type: "BatchNorm" {params} batch_norm_param {{ scale_bias: true }} }}'

    norm_layer, scale = parse_net(INPUT + norm, "fork").layer[1:]

    assert not norm_layer.param
    assert [param.lr_mult for param in scale.param] == rates


def test_static_fillers_fill_alike() -> None:
    """NVIDIA's static fillers draw the numbers of Caffe 1.0's, once for all."""
    fill = (
        'layer { name: "c" type: "Convolution" convolution_param { weight_filler { type: "xavierstatic" } } }'
    )

    parsed = parse_net_with_notes(INPUT + fill, "fork")

    assert parsed.net.layer[1].convolution_param.weight_filler.type == "xavier"
    assert [str(note) for note in parsed.notes] == [
        "line 2: layer c: filler xavierstatic of NVIDIA's fork fills as xavier; becomes that"
    ]


def test_holes_are_dilations() -> None:
    """DeepLab's `hole` is Caffe 1.0's dilation."""
    net = parse_net('layer { name: "c" type: "Convolution" convolution_param { hole: 2 } }', "fork")

    assert list(net.layer[0].convolution_param.dilation) == [2]


def test_data_layers_of_forks_may_hold_anything() -> None:
    """A data layer is replaced, so fields and types of forks in it are no matter."""
    text = """
        layer {
          name: "d" type: "AnnotatedData" top: "data" top: "label"
          transform_param { mirror: true resize_param { height: 300 width: 300 interp_mode: [LINEAR, AREA] } }
          annotated_data_param { batch_sampler { max_sample: 1 } }
        }
        layer { name: "e" type: "Data" data_param { shuffle: true } transform_param { rotate: 9 } }
        layer { name: "acc" type: "Accuracy" accuracy_param { something: 1 } }
    """

    net = parse_net(text, "fork")

    assert [layer.type for layer in net.layer] == ["Data", "Data", "Accuracy"]
    assert net.layer[0].transform_param.mirror
