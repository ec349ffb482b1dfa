"""Layer names: one name, one layer with params in a phase; ftjob's own layers give way."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.engine.open import open_deploy, open_engine
from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, operate
from jobspec.spec import Surgery
from tests.engines import ENGINES
from tests.net.conftest import with_inputs

CONV = (
    'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {rest} '
    'convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 weight_filler {{ type: "xavier" }} }} }}'
)
RELU = 'layer {{ name: "{name}" type: "ReLU" bottom: "{bottom}" top: "{bottom}" {rest} }}'
FRAME = """
layer {{ name: "input" type: "Data" top: "images" top: "label" }}
{layers}
layer {{ name: "fc" type: "InnerProduct" bottom: "{end}" top: "fc"
        inner_product_param {{ num_output: 9 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }}
"""


def conv(name: str, bottom: str, top: str, rest: str = "") -> str:
    return CONV.format(name=name, bottom=bottom, top=top, rest=rest)


def relu(name: str, bottom: str, rest: str = "") -> str:
    return RELU.format(name=name, bottom=bottom, rest=rest)


def net_of(*layers: str, end: str) -> Any:
    return parse_net(FRAME.format(layers="\n".join(layers), end=end), "net")


@pytest.mark.parametrize(
    ("layers", "end", "types"),
    [
        ((conv("a", "images", "x"), conv("a", "x", "y")), "y", "Convolution and Convolution"),
        ((conv("a", "images", "x"), relu("a", "x")), "x", "Convolution and ReLU"),
        ((relu("a", "images"), conv("a", "images", "x")), "x", "ReLU and Convolution"),
    ],
)
def test_two_layers_of_one_name_are_refused(layers: tuple[str, ...], end: str, types: str, data: DataLayers):
    """By name, phase and types, wherever one of them has params."""
    with pytest.raises(BadNetError, match=rf'TRAIN net are called "a" \(types {types}\)'):
        operate(net_of(*layers, end=end), Surgery(), 7, data, "new")


def test_caffe_cannot_read_back_what_is_refused(caffe: Any, tmp_path: Path):
    """The rule is Caffe's: it saves such a net and does not take what it saved."""
    net = with_inputs(net_of(conv("a", "images", "x"), relu("a", "x"), end="x"))
    prototxt, saved = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    prototxt.write_text(to_text(net))

    caffe.ask("save", prototxt=prototxt, caffemodel=saved)

    with pytest.raises(AssertionError, match="Incompatible number of blobs for layer a"):
        caffe.ask("copied", prototxt=prototxt, caffemodel=saved)


def test_one_name_in_two_phases_and_without_params_is_allowed(data: DataLayers):
    """A layer may have a variant in the other phase, and what has no params may be called anything."""
    in_train, in_test = "include { phase: TRAIN }", "include { phase: TEST }"
    layers = (
        conv("a", "images", "x", in_train),
        conv("a", "images", "x", in_test),
        relu("r", "x"),
        relu("r", "x"),
    )
    operate(net_of(*layers, end="x"), Surgery(), 7, data, "new")


@pytest.mark.parametrize("engine", ENGINES)
def test_layers_may_be_called_as_ftjobs_own(engine: str, data: DataLayers, tmp_path: Path):
    """A convolution called data, a classifier beside the main one called prob: trained, saved, deployed."""
    aux = """
    layer { name: "prob" type: "InnerProduct" bottom: "x" top: "aux"
            inner_product_param { num_output: 9 weight_filler { type: "xavier" } } }
    layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "aux_loss"
            loss_weight: 0.3 }
    """
    net = net_of(conv("data", "images", "x"), aux, end="x")
    surgery = Surgery(heads=["fc", "prob"])
    done = operate(net, surgery, 7, data, "new")
    names = [layer.name for layer in done.train_val.layer]
    assert names[:3] == ["data_2", "data_2", "data"]

    (tmp_path / "net.prototxt").write_text(to_text(done.train_val))
    (tmp_path / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.001 lr_policy: "fixed" max_iter: 1 snapshot_prefix: "s"'
    )
    solver = tmp_path / "solver.prototxt"
    with open_engine(engine, solver=solver, weights=None, log=tmp_path / "log", cwd=tmp_path) as trained:
        trained.step(1)
        kept = trained.snapshot(tmp_path)
    (tmp_path / "deploy.prototxt").write_text(to_text(done.deploy))
    open_deploy(engine, tmp_path / "deploy.prototxt", kept.caffemodel, log=tmp_path / "log").close()
