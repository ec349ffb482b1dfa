"""Nets as ONNX: ONNX Runtime and OpenCV give the engine's numbers; the file has Caffe's names."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ftjob.engine.onnx import translation
from ftjob.engine.onnx.translation import translate
from ftjob.engine.open import READERS, open_deploy
from ftjob.errors import BadDataError, BadNetError, BadSpecError, EngineError
from ftjob.net.proto.caffe_pb2 import NetParameter, SoftmaxParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.deploy import deploy_net
from ftjob.net.topology.shapes import infer_shapes
from ftjob.net.zoo import build
from tests.engine import branches, nets

SHARE = 1e-4
"""What scores may differ by, as a share of the largest."""
INPUT = 'layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ {} }} }} }}\n'
MAPS = (4, 3, 11, 9)
"""What branches take: four images in colour."""

MORE = {
    "argmax": 'type: "ArgMax" argmax_param { top_k: 3 }',
    "argmax_pairs": 'type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }',
    "argmax_axis": 'type: "ArgMax" argmax_param { top_k: 2 axis: 2 }',
    "argmax_values": 'type: "ArgMax" argmax_param { top_k: 2 axis: -1 out_max_val: true }',
    "bias_all": 'type: "Bias" bias_param { num_axes: -1 }',
    "crop_nothing": 'type: "Crop" bottom: "data" crop_param { axis: 0 }',
    "deconvolution_dilated": 'type: "Deconvolution" convolution_param { '
    "num_output: 2 kernel_size: 3 stride: 2 dilation: 2 pad: 1 bias_term: false }",
    "dropout": 'type: "Dropout"',
    "eltwise_three": 'type: "Eltwise" bottom: "data" bottom: "data" '
    "eltwise_param { coeff: 1 coeff: 2 coeff: -4 }",
    "exp_ten": 'type: "Exp" exp_param { base: 10 scale: 0.3 }',
    "inner_flat": 'type: "InnerProduct" inner_product_param { num_output: 4 axis: -1 bias_term: false }',
    "log": 'type: "Log" log_param { base: 3 scale: 0.1 shift: 2 }',
    "power_nothing": 'type: "Power"',
    "reduction_asum": 'type: "Reduction" reduction_param { axis: 1 operation: ASUM }',
    "reduction_sum": 'type: "Reduction" reduction_param { axis: -2 coeff: 0.5 }',
    "split": 'type: "Split" top: "split_again"',
    "threshold": 'type: "Threshold" threshold_param { threshold: 0.2 }',
}
"""Layers of the input that learn nothing, so that no branch of a training has them."""
TABLE = """
layer { name: "floor" type: "Threshold" bottom: "data" top: "floor" }
layer { name: "rows" type: "Embed" bottom: "floor" top: "rows" embed_param { num_output: 3 input_dim: 2 } }
layer { name: "offset" type: "Parameter" top: "offset" parameter_param { shape { dim: 9 dim: 3 } } }
layer { name: "moved" type: "Bias" bottom: "rows" bottom: "offset" top: "moved" bias_param { axis: 3 } }
"""


def net_of(text: str, shape: tuple[int, ...] = MAPS) -> NetParameter:
    """A deploy net whose input has a shape."""
    return parse_net(INPUT.format(" ".join(f"dim: {dim}" for dim in shape)) + text, "net")


def written(folder: Path, net: NetParameter) -> tuple[Path, Path]:
    """The files of a net with random weights."""
    deploy, weights = folder / "deploy.prototxt", folder / "weights.caffemodel"
    deploy.write_text(to_text(net))
    nets.write_random_caffemodel(net, weights)
    return deploy, weights


def answers(
    engine: str, files: tuple[Path, Path], images: np.ndarray, blobs: list[str], at_once: int
) -> dict[str, np.ndarray]:
    with open_deploy(engine, *files, log=files[0].with_name("log")) as net:
        return net.forward(images, blobs, at_once=at_once)


def different(mine: dict[str, np.ndarray], its: dict[str, np.ndarray]) -> dict[str, object]:
    """Where blobs have other shapes, or numbers that differ by more than rounding."""
    assert mine.keys() == its.keys()
    return {
        blob: (mine[blob].shape, wanted.shape)
        for blob, wanted in its.items()
        if mine[blob].shape != wanted.shape
        or np.abs(mine[blob] - wanted).max() > SHARE * max(0.1, np.abs(wanted).max())
    }


def every_layer() -> NetParameter:
    """Each branch of the engines' parity, without its loss, and every other layer beside them."""
    other = "".join(
        f'layer {{ name: "{name}" bottom: "data" top: "{name}" {layer} }}\n' for name, layer in MORE.items()
    )
    net = net_of("".join(branches.branches().values()) + other + TABLE)
    kept = [layer for layer in net.layer if layer.type != "SoftmaxWithLoss"]
    del net.layer[:]
    net.layer.extend(kept)
    return net


@pytest.mark.torch
@pytest.mark.usefixtures("forked_torch")
def test_every_layer_gives_the_engines_numbers(tmp_path: Path) -> None:
    """Of seven images in batches of three: the prototxt's batch size is none of the file's."""
    net = every_layer()
    outputs = [blob for blob in infer_shapes(net).outputs if not blob.startswith("(")]
    files, images = written(tmp_path, net), np.random.default_rng(1).normal(0, 1, (7, *MAPS[1:]))
    images = images.astype(np.float32)

    wanted = answers("torch", files, images, outputs, 7)
    assert different(answers("onnx", files, images, outputs, 3), wanted) == {}
    assert different(answers("opencv", files, images, outputs, 7), wanted) == {}
    assert set(translation.TRANSLATORS) <= {layer.type for layer in net.layer}


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(*[st.integers(1, most) for most in (2, 2, 9, 9)]),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    pool=st.sampled_from(["MAX", "AVE"]),
    mode=st.sampled_from(["CEIL", "FLOOR"]),
)
def test_poolings_are_caffes(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[int, int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    pool: str,
    mode: str,
) -> None:
    """As pooling_layer.cpp has them, written down here window by window."""
    text = (
        f'layer {{ name: "pool" type: "Pooling" bottom: "data" top: "pool" pooling_param {{ pool: {pool} '
        f"round_mode: {mode} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} "
        f"stride_w: {stride[1]} pad_h: {pad[0]} pad_w: {pad[1]} }} }}"
        'layer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" '
        "inner_product_param { num_output: 1 } }"
    )
    net = net_of(text, shape)
    try:
        top = infer_shapes(net).blobs["pool"]
    except BadNetError:
        assume(False)
    images = np.random.default_rng(2).normal(0, 1, shape).astype(np.float32)
    expected = np.full(top, np.finfo(np.float32).min if pool == "MAX" else 0, np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        for row, column in np.ndindex(*top[2:]):
            places = []
            for at, axis in ((row, 0), (column, 1)):
                start, size = at * stride[axis] - pad[axis], shape[2 + axis]
                end = min(start + kernel[axis], size + pad[axis])
                places.append((slice(max(0, start), max(0, min(end, size))), end - start))
            window = images[:, :, places[0][0], places[1][0]].reshape(*shape[:2], -1)
            if pool == "MAX" and window.size:
                expected[:, :, row, column] = window.max(-1)
            elif pool == "AVE":
                area = np.float32(places[0][1] * places[1][1])
                expected[:, :, row, column] = window.sum(-1, dtype=np.float32) / area

    files = written(tmp_path_factory.mktemp("pool"), net)
    found = answers("onnx", files, images, ["pool"], shape[0])["pool"]

    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.usefixtures("forked_torch")
@pytest.mark.parametrize(
    ("name", "side"), [("googlenet", 224), ("resnet50", 224), ("vgg16", 64), ("caffenet", 227)]
)
def test_built_in_nets_answer_as_with_the_engine(tmp_path: Path, name: str, side: int) -> None:
    """Of weights that keep the signal at its size; the wide inner products are cut."""
    net = build(name)
    for layer in net.layer:
        if layer.name in ("fc6", "fc7"):
            layer.inner_product_param.num_output = 64
    score = [layer.bottom[0] for layer in net.layer if layer.type == "SoftmaxWithLoss"][-1]
    deploy = deploy_net(net, score, (1, 3, side, side), SoftmaxParameter())
    files = written(tmp_path, deploy)
    image = np.random.default_rng(1).normal(0, 1, (1, 3, side, side)).astype(np.float32)

    wanted = answers("torch", files, image, [score, "prob"], 1)
    assert wanted[score].std() > 0.1
    for reader in READERS:
        assert different(answers(reader, files, image, [score, "prob"], 1), wanted) == {}


def test_the_file_has_the_nets_names(tmp_path: Path) -> None:
    """Blobs are tensors, in-place ones too; nodes begin with their layer's name; any batch goes in."""
    net = net_of(
        """
layer { name: "conv/3x3" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "fc" type: "InnerProduct" bottom: "conv" top: "fc" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }"""
    )
    _, weights = written(tmp_path, net)
    model = translate(net, weights, ["prob", "fc", "conv"]).model({"ftjob.run": "a/1"})

    onnx.checker.check_model(model, full_check=True)
    nodes = {node.name: list(node.output) for node in model.graph.node}
    assert nodes.pop("fc/Reshape") == ["fc/Reshape"]
    assert nodes == {
        "conv/3x3/Conv": ["conv/3x3/Conv"],
        "relu/Relu": ["conv"],
        "fc/Gemm": ["fc"],
        "prob/Softmax": ["prob"],
    }
    assert shapes(model.graph.input) == {"data": ["N", 3, 11, 9]}
    assert shapes(model.graph.output) == {"prob": ["N", 5], "fc": ["N", 5], "conv": ["N", 2, 9, 7]}
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("ftjob.run", "a/1")]


def shapes(values: list[onnx.ValueInfoProto]) -> dict[str, list[str | int]]:
    """The axes of inputs or outputs."""
    return {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in values
    }


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        ('type: "MVN"', r'layer "x" \(MVN\): ONNX export does not have this type'),
        ('type: "SPP" spp_param { pyramid_height: 2 }', r'layer "x" \(SPP\): ONNX export does not'),
        (
            'type: "Pooling" top: "mask" pooling_param { kernel_size: 2 }',
            r'layer "x" \(Pooling\): ONNX export does not have pooling\'s second top',
        ),
        ('type: "Dropout" phase: TRAIN', r'layer "x" \(Dropout\): phase: TRAIN makes it drop at random'),
        (
            'type: "BatchNorm" batch_norm_param { use_global_stats: false }',
            r'layer "x" \(BatchNorm\): use_global_stats: false',
        ),
        (
            'type: "InnerProduct" inner_product_param { num_output: 2000000 }',
            r"the weights take 2\.2 GiB, and an ONNX file less than 2 GiB",
        ),
    ],
)
def test_what_onnx_has_not_is_refused_by_name(tmp_path: Path, layer: str, why: str) -> None:
    """Before a number is read."""
    net = net_of(f'layer {{ name: "x" bottom: "data" top: "x" {layer} }}')
    weights = tmp_path / "weights.caffemodel"
    small = net_of('layer { name: "x" type: "BatchNorm" bottom: "data" top: "x" }')
    nets.write_random_caffemodel(small, weights)

    with pytest.raises(BadNetError, match=why):
        translate(net, weights, ["x"])


def test_weights_of_another_net_are_refused_by_layer(tmp_path: Path) -> None:
    """Where a layer's are missing, and where they have other shapes."""
    weights = tmp_path / "weights.caffemodel"
    fc = (
        'layer {{ name: "{}" type: "InnerProduct" bottom: "data" top: "x" '
        "inner_product_param {{ num_output: {} }} }}"
    )
    nets.write_random_caffemodel(net_of(fc.format("fc", 2)), weights)

    for name, size, why in (("fd", 2, "are not in"), ("fc", 3, "have other shapes in")):
        with pytest.raises(
            BadNetError, match=rf'layer "{name}" \(InnerProduct\): its params {why} .*caffemodel'
        ):
            translate(net_of(fc.format(name, size)), weights, ["x"])


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_refuses_what_an_engine_refuses(tmp_path: Path, reader: str) -> None:
    """No image, images of another shape, a blob that is not there; a GPU and other precisions."""
    files = written(
        tmp_path,
        net_of(
            'layer { name: "x" type: "ReLU" bottom: "data" top: "x" }'
            'layer { name: "fc" type: "InnerProduct" bottom: "x" top: "fc" '
            "inner_product_param { num_output: 2 } }"
        ),
    )
    with open_deploy(reader, *files, log=tmp_path / "log") as net:
        with pytest.raises(BadDataError, match="no image"):
            net.forward(np.zeros((0, *MAPS[1:]), np.float32), ["x"])
        with pytest.raises(BadDataError, match="images of 3x5x9 do not fit the net's 3x11x9"):
            net.forward(np.zeros((1, 3, 5, 9), np.float32), ["x"])
        with pytest.raises(BadNetError, match=r"no blob 'y'; it has data, x, fc"):
            net.forward(np.zeros(MAPS, np.float32), ["y"])
    for more in ({"gpu": 0}, {"precision": "bf16"}):
        with pytest.raises(BadSpecError, match=f"{reader} computes on processors, in fp32"):
            open_deploy(reader, *files, log=tmp_path / "log", **more)


def test_without_the_extra_there_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to install it."""
    files = written(tmp_path, net_of('layer { name: "x" type: "PReLU" bottom: "data" top: "x" }'))
    monkeypatch.setattr("ftjob.engine.onnx.installed.importlib.util.find_spec", lambda name: None)

    with pytest.raises(EngineError, match=re.escape("pip install 'ftjob[onnx]'")):
        open_deploy("onnx", *files, log=tmp_path / "log")
