"""The engine of a plan: by the node's GPU, by the layers that each engine has, and by the precision."""

from typing import Literal

import pytest

from ftjob.net.lacks import TORCH_LACKS
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.layertypes import KNOWN
from ftjob.net.topology.shapes import LayerShapes, infer_shapes
from ftjob.nodes.profiles import get_node
from ftjob.plan.engines import EngineChoice, WantedPrecision, choose_engine

LAYERS = {
    "plain": 'type: "Pooling" pooling_param { kernel_size: 2 }',
    "mvn": 'type: "MVN"',
    "stochastic": 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 }',
    "spp": 'type: "SPP" spp_param { pyramid_height: 2 pool: STOCHASTIC }',
    "mask": 'type: "Pooling" top: "mask" pooling_param { kernel_size: 2 }',
    "axes": 'type: "Convolution" convolution_param { axis: 2 num_output: 3 kernel_size: 3 }',
}


def layers(name: str) -> tuple[LayerShapes, ...]:
    """A net whose layer `norm` is one of LAYERS."""
    net = parse_net(
        f"""
layer {{ name: "data" type: "Input" top: "data" input_param {{ shape {{ dim: 1 dim: 3 dim: 8 dim: 8 }} }} }}
layer {{ name: "norm" bottom: "data" top: "norm" {LAYERS[name]} }}
""",
        "net",
    )
    return infer_shapes(net).layers


def choose(wanted: Literal["auto", "caffe", "torch"], node: str, name: str) -> EngineChoice:
    return choose_engine(wanted, get_node(node), layers(name))


@pytest.mark.torch
def test_the_list_of_what_torch_lacks_is_whole() -> None:
    """Every type of Caffe 1.0 is made by the engine, brings data, or is on the list."""
    from ftjob.engine.torch.process.layers import MAKERS

    assert {*MAKERS, "Data", "DummyData", "Input"} == KNOWN - TORCH_LACKS


@pytest.mark.parametrize("name", ["mvn", "stochastic", "spp", "mask", "axes"])
def test_torch_is_refused_by_the_layer_it_lacks(name: str) -> None:
    """On processors, where Caffe has all of them but one; a net without them has no problem."""
    problem = choose("torch", "local", name).problem

    assert problem.startswith('layer "norm" (')
    assert ": the torch engine does not have " in problem
    wanted = "remove it" if name in ("stochastic", "spp") else "set engine: caffe"
    assert wanted in problem
    assert choose("torch", "local", "plain").problem == ""


def test_stochastic_pooling_is_for_gpus_of_caffes_time() -> None:
    """Caffe has it on no processor (pooling_layer.cpp), PyTorch nowhere."""
    assert choose("caffe", "p2.xlarge", "stochastic").problem == ""
    for node, wanted in (("local", "caffe"), ("local", "auto"), ("g5.xlarge", "auto")):
        assert "STOCHASTIC pooling" in choose(wanted, node, "stochastic").problem


def test_auto_stays_with_caffe_where_torch_lacks_a_layer() -> None:
    """A machine without Caffe would take torch for `auto`, and fail; for a new GPU a spec can name caffe."""
    plain, mvn = choose("auto", "local", "plain"), choose("auto", "local", "mvn")

    assert (plain.name, plain.opens, plain.problem) == ("caffe", "auto", "")
    assert (mvn.name, mvn.opens, mvn.problem) == ("caffe", "caffe", "")
    assert 'layer "norm" (MVN)' in mvn.why
    assert choose("auto", "g5.xlarge", "mvn").problem == (
        'layer "norm" (MVN): the torch engine does not have this type: set engine: caffe'
    )


def test_a_gpu_that_caffe_was_not_tried_on_is_torchs_by_auto() -> None:
    """Caffe's PTX may do there: the spec can name it, and the plan says what is not known."""
    auto, named = choose("auto", "g5.xlarge", "plain"), choose("caffe", "g5.xlarge", "plain")

    assert (auto.name, named.name, auto.problem, named.problem) == ("torch", "caffe", "", "")
    for choice in (auto, named):
        assert "Caffe was not tried on the NVIDIA A10G (compute capability 8.6)" in choice.why


NODES = ("local", "p2.xlarge", "p3.2xlarge", "g4dn.xlarge", "g5.xlarge")
HAVE = {
    "fp32": NODES,
    "tf32": ("g5.xlarge",),
    "bf16": ("local", "g5.xlarge"),
    "fp16": ("p3.2xlarge", "g4dn.xlarge", "g5.xlarge"),
}


@pytest.mark.parametrize("node", NODES)
def test_auto_is_bf16_on_gpus_of_today_and_fp32_elsewhere(node: str) -> None:
    """From Ampere on; Caffe has fp32 alone, wherever it is."""
    torch, caffe = (choose_engine(engine, get_node(node)) for engine in ("torch", "caffe"))

    assert torch.precision == ("bf16" if node == "g5.xlarge" else "fp32")
    assert caffe.precision == "fp32"
    assert torch.problem == caffe.problem == ""


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("precision", HAVE)
def test_a_precision_that_the_node_lacks_is_a_problem(node: str, precision: WantedPrecision) -> None:
    """The sentence names the field, the node and what it has instead."""
    chosen = choose_engine("torch", get_node(node), (), precision)

    assert chosen.precision == precision
    assert bool(chosen.problem) == (node not in HAVE[precision])
    if chosen.problem:
        assert chosen.problem.startswith(f"solver.precision: {precision} needs a GPU of compute capability ")
        assert f" or newer, and node {node}" in chosen.problem
        had = [name for name in HAVE if node in HAVE[name]]
        assert f": set {', '.join(had)} or auto, or take another node" in chosen.problem


def test_the_sentences_about_precision() -> None:
    """Word for word."""
    tesla, none, caffe = (
        choose_engine(engine, get_node(node), (), "bf16" if engine == "caffe" else "fp16").problem
        for engine, node in (("torch", "p2.xlarge"), ("torch", "local"), ("caffe", "g5.xlarge"))
    )

    assert tesla == (
        "solver.precision: fp16 needs a GPU of compute capability 5.3 or newer, and node p2.xlarge (NVIDIA "
        "K80, one of its two halves) has 3.7: set fp32 or auto, or take another node (`ftjob nodes`)"
    )
    assert none == (
        "solver.precision: fp16 needs a GPU of compute capability 5.3 or newer, and node local has none: set "
        "fp32, bf16 or auto, or take another node (`ftjob nodes`)"
    )
    assert caffe == (
        "solver.precision: Caffe computes in fp32 only: set fp32 or auto for it, or engine: torch for bf16"
    )


def test_another_precision_than_fp32_makes_auto_torch() -> None:
    """Also where Caffe runs; a layer that torch lacks is then a problem."""
    asked, plain = (choose_engine("auto", get_node("local"), (), precision) for precision in ("bf16", "fp32"))

    assert (asked.name, asked.opens, asked.precision, asked.problem) == ("torch", "torch", "bf16", "")
    assert (plain.name, plain.opens, plain.precision) == ("caffe", "auto", "fp32")
    mvn = choose_engine("auto", get_node("local"), layers("mvn"), "bf16")
    assert mvn.problem.startswith('layer "norm" (MVN): the torch engine does not have this type')
