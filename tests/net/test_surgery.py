"""From a base net to the nets of a run, held to real Caffe."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, Operation, operate
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import reduce_rules
from jobspec.spec import FreezeLayers, FreezeUpTo, Surgery

CLASSES = 7
NETS = Path(__file__).parent / "nets"
THREE = parse_net((NETS / "three_heads.prototxt").read_text(), "three_heads.prototxt")


def _operate(net: NetParameter, data: DataLayers, **surgery: Any) -> Operation:
    return operate(net, Surgery(**surgery), CLASSES, data, "new")


def _layer(net: NetParameter, name: str) -> Any:
    return next(layer for layer in net.layer if layer.name == name)


def _write(path: Path, net: NetParameter) -> Path:
    path.write_text(to_text(net))
    return path


def test_caffe_loads_what_surgery_makes(
    caffe: Any, net: NetParameter, data: DataLayers, tmp_path: Path
) -> None:
    """The train_val loads in TRAIN and TEST with its accuracies, the deploy with a probability per class."""
    done = _operate(net, data)

    train_val = _write(tmp_path / "train_val.prototxt", done.train_val)
    train = caffe.ask("load", prototxt=train_val, phase="TRAIN")
    test = caffe.ask("load", prototxt=train_val, phase="TEST")
    deploy = caffe.ask("load", prototxt=_write(tmp_path / "deploy.prototxt", done.deploy), phase="TEST")

    assert set(train["outputs"]) == {head.loss for head in done.heads}
    assert set(test["outputs"]) >= {done.main.loss, "accuracy", "accuracy_top5"}
    assert deploy["outputs"] == ["prob"]
    assert deploy["blobs"]["data"] == [1, 3, 8, 8]
    assert deploy["blobs"]["prob"][:2] == [1, CLASSES]


def test_surgery_twice_is_surgery_once(net: NetParameter, data: DataLayers) -> None:
    """Operating on the result changes nothing, in the train_val and in the deploy net."""
    once = _operate(net, data, relearn=["conv1"])

    twice = _operate(once.train_val, data, relearn=["conv1"])

    assert to_text(twice.train_val) == to_text(once.train_val)
    assert to_text(twice.deploy) == to_text(once.deploy)


def test_what_is_not_named_stays(net: NetParameter, data: DataLayers) -> None:
    """Layers with params that are no heads come out as they went in but for the names of image and label."""
    done = _operate(net, data)

    new = {head.source for head in done.heads} | set(done.renamed.values())
    fields = ("param", "convolution_param", "inner_product_param", "scale_param")
    kept = [[layer.name, *(getattr(layer, field) for field in fields)] for layer in done.train_val.layer]
    trunk = [layer for layer in reduce_rules(net).layer if param_count(layer) and layer.name not in new]
    assert trunk
    for layer in trunk:
        assert [layer.name, *(getattr(layer, field) for field in fields)] in kept


def test_every_head_is_renewed(data: DataLayers) -> None:
    """All three heads get the new name, the number of classes, ten times the rate and keep their weight."""
    done = _operate(THREE, data)

    assert dict(done.renamed) == {f"loss{n}/classifier_new": f"loss{n}/classifier" for n in (1, 2, 3)}
    assert [head.loss_weight for head in done.heads] == [0.3, 0.3, 1.0]
    assert (done.main.layer, done.main.score) == ("loss3/classifier_new", "loss3/classifier_new")
    for head in done.heads:
        layer = _layer(done.train_val, head.layer)
        assert layer.inner_product_param.num_output == CLASSES
        assert [(spec.lr_mult, spec.decay_mult) for spec in layer.param] == [(10, 1), (20, 0)]


def test_deploy_keeps_the_main_head_alone(data: DataLayers) -> None:
    """Auxiliary branches, dropout, losses, accuracies and the data layers are not in the deploy net."""
    deploy = _operate(THREE, data).deploy

    assert not [layer.name for layer in deploy.layer if layer.name.startswith(("loss1", "loss2"))]
    assert {layer.type for layer in deploy.layer} == {
        *("Input", "Convolution", "ReLU", "Concat", "Pooling", "InnerProduct", "Softmax")
    }


def test_frozen_layers_stay_and_cost_no_backward_pass(
    caffe: Any, data: DataLayers, net: NetParameter, tmp_path: Path
) -> None:
    """After updates in Caffe frozen params are bit-equal, heads are not, and below no layer went backward."""
    conv = next(layer.name for layer in net.layer if layer.type == "Convolution")
    up_to = next((layer.name for layer in net.layer if layer.name == "res2_bn"), conv)
    done = _operate(net, data, freeze=FreezeUpTo(up_to=up_to))
    train_val = _write(tmp_path / "train_val.prototxt", done.train_val)
    solver = tmp_path / "solver.prototxt"
    solver.write_text(
        f'net: "{train_val}" base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.1 '
        "max_iter: 9 test_iter: 1 test_interval: 99 test_initialization: false snapshot_after_train: false "
        "solver_mode: CPU"
    )

    stepped = caffe.ask("step", solver=solver, caffemodel=None, iterations=3)

    for name in done.frozen:
        assert all(stepped["same"][name]), name
        assert f"{name} does not need backward computation" in stepped["log"]
    for head in done.heads:
        assert not any(stepped["same"][head.layer])


def test_freezing_by_prefix_takes_all_that_begins_so(data: DataLayers) -> None:
    """`up_to: inception_b` freezes every layer called so and all they are computed from, and no head."""
    done = _operate(THREE, data, freeze=FreezeUpTo(up_to="inception_b"))

    assert done.frozen == ("conv1", "inception_a/1x1", "inception_a/3x3", "inception_b/3x3")


def test_freezing_by_prefix_keeps_numbers_whole(data: DataLayers) -> None:
    """`up_to: conv1` does not mean conv10, and `up_to: conv` means both."""
    text = (NETS / "squeeze.prototxt").read_text().replace('"conv1"', '"conv1a"')
    net = parse_net(text.replace('"grouped"', '"conv12"'), "squeeze")

    assert _operate(net, data, freeze=FreezeUpTo(up_to="conv1")).frozen == ("conv1a",)
    with pytest.raises(BadNetError, match="conv10_new is a new layer"):
        _operate(net, data, freeze=FreezeUpTo(up_to="conv"))


def test_freezing_by_glob_takes_what_matches(data: DataLayers) -> None:
    """`layers:` freezes what matches and nothing else."""
    assert _operate(THREE, data, freeze=FreezeLayers(layers=["inception_a/*"])).frozen == (
        "inception_a/1x1",
        "inception_a/3x3",
    )


def test_frozen_batch_norm_uses_its_statistics(data: DataLayers) -> None:
    """A frozen BatchNorm uses global statistics in training too, whatever the base net says."""
    net = parse_net((NETS / "residual.prototxt").read_text(), "residual")

    done = _operate(net, data, freeze=FreezeUpTo(up_to="conv1_relu"))

    assert done.frozen == ("conv1", "bn_conv1", "scale_conv1")
    assert _layer(done.train_val, "bn_conv1").batch_norm_param.use_global_stats
    assert not _layer(done.train_val, "res2_bn").batch_norm_param.use_global_stats
    assert not done.train_val.HasField("force_backward")


def test_shared_params_are_frozen_together(data: DataLayers) -> None:
    """A param that a frozen layer shares by name is frozen wherever it is used."""
    net = parse_net((NETS / "v1.prototxt").read_text(), "v1")

    done = _operate(net, data, freeze=FreezeUpTo(up_to="conv2"))

    assert [spec.lr_mult for spec in _layer(done.train_val, "conv3").param] == [0, 0]


def test_half_of_a_shared_param_cannot_be_new(data: DataLayers) -> None:
    """A layer that shares a param by name is renewed with all that share it, or not at all."""
    net = parse_net((NETS / "v1.prototxt").read_text(), "v1")

    with pytest.raises(BadNetError, match=r'conv2 .* shares its param "shared_w" with conv3'):
        _operate(net, data, relearn=["conv2"])
    both = _operate(net, data, relearn=["conv2", "conv3"])
    assert set(both.renamed) == {"conv2_new", "conv3_new", "fc8_new"}


def test_a_new_layer_never_starts_from_zeros(data: DataLayers) -> None:
    """Heads and relearned layers of a deploy net, which has no fillers, get xavier; other fillers stay."""
    net = parse_net((NETS / "deploy_input_dim.prototxt").read_text(), "deploy")
    squeeze = parse_net((NETS / "squeeze.prototxt").read_text(), "squeeze")

    done = _operate(net, data, relearn=["fc6"])

    assert _layer(done.train_val, "fc8_new").inner_product_param.weight_filler.type == "xavier"
    assert _layer(done.train_val, "fc6_new").inner_product_param.weight_filler.type == "xavier"
    kept = _layer(_operate(squeeze, data).train_val, "conv10_new").convolution_param.weight_filler
    assert (kept.type, round(kept.std, 4)) == ("gaussian", 0.01)


def test_what_follows_a_head_starts_afresh_with_it(data: DataLayers) -> None:
    """BatchNorm and Scale between a head and its loss have one number per class, so they are new too."""
    net = parse_net((NETS / "followed.prototxt").read_text(), "followed")

    done = _operate(net, data)

    assert dict(done.renamed) == {"fc_new": "fc", "fc_bn_new": "fc_bn", "fc_scale_new": "fc_scale"}


HEADS = "loss1/classifier, loss2/classifier, loss3/classifier"


@pytest.mark.parametrize(
    ("surgery", "message"),
    [
        (
            {"heads": ["loss3/classifer"]},
            f"no head is called loss3/classifer; the net's heads are {HEADS}; did you mean loss3/",
        ),
        (
            {"heads": ["loss3/classifier"]},
            "loss1/classifier is not in the list, so it would keep 10 outputs beside 7 classes",
        ),
        ({"heads": ["conv1"]}, f"layer conv1 is no classifier; the net's heads are {HEADS}"),
        ({"relearn": ["inception_d*"]}, "surgery.relearn: no layer with weights matches inception_d"),
        (
            {"freeze": FreezeUpTo(up_to="inception_d")},
            "surgery.freeze.up_to: no layer is called inception_d, or begins so; did",
        ),
        ({"freeze": FreezeUpTo(up_to="loss3/classifier_new")}, "loss3/classifier_new is a new layer"),
        (
            {"freeze": FreezeLayers(layers=["conv1", "nothing"])},
            "surgery.freeze.layers: no layer matches nothing",
        ),
        ({"freeze": FreezeLayers(layers=["pool5"])}, "no layer there has weights to freeze"),
        ({"relearn": ["conv1"], "freeze": FreezeUpTo(up_to="conv1_new")}, "conv1_new is a new layer"),
    ],
)
def test_wrong_surgery_is_refused_in_a_sentence(surgery: Any, message: str, data: DataLayers) -> None:
    """What is not there, left out or contradicts itself is refused, naming the field and the layer."""
    with pytest.raises(BadNetError, match=message.replace("(", r"\(")):
        _operate(THREE, data, **surgery)


CONV = (
    'layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 9 } }'
)
DATA = 'layer { name: "d" type: "Input" top: "data" top: "label" input_param { shape { dim: 2 } } }'


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ('layer { name: "r" type: "ReLU" bottom: "data" top: "r" }', "no classifier was found"),
        (
            CONV + 'layer { name: "e" type: "EuclideanLoss" bottom: "fc" bottom: "label" }',
            '"e" is of type EuclideanLoss',
        ),
        (
            CONV + 'layer { name: "p" type: "Python" bottom: "fc" python_param { module: "m" layer: "L" } }'
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }',
            r'"p" is of type Python: its code \(m.L\)',
        ),
        (
            CONV + 'layer { name: "s" type: "Slice" bottom: "label" top: "l1" top: "l2" }'
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "fc" bottom: "l1" }',
            'takes its labels "l1" from layer "s" of type Slice',
        ),
        (
            CONV + CONV.replace('"fc"', '"g"') + 'layer { name: "o" type: "Input" top: "other" }'
            'layer { name: "l" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }'
            'layer { name: "k" type: "SoftmaxWithLoss" bottom: "g" bottom: "other" }',
            "different labels",
        ),
        (CONV.replace('bottom: "data"', 'bottom: "nothing"'), 'reads the blob "nothing"'),
        (
            'layer { name: "i" type: "Input" top: "info" }'
            'layer { name: "c" type: "Eltwise" bottom: "data" bottom: "info" top: "c" }'
            + CONV.replace('"data"', '"c"'),
            "computed from several inputs",
        ),
    ],
)
def test_nets_that_are_no_classifiers_are_refused(layers: str, message: str, data: DataLayers) -> None:
    """A net that is not trained on one class number per image is refused, naming the layer that shows it."""
    with pytest.raises(BadNetError, match=message):
        _operate(parse_net(DATA + layers, "f"), data)


def test_no_layer_asks_for_a_library(caffe: Any, data: DataLayers, tmp_path: Path) -> None:
    """A Caffe without cuDNN ends at `engine: CUDNN`, which changes nothing of what is computed."""
    text = (NETS / "lenet.prototxt").read_text()
    net = parse_net(text.replace("convolution_param {", "convolution_param { engine: CUDNN "), "lenet")

    done = _operate(net, data)

    assert "engine" not in to_text(done.train_val) + to_text(done.deploy)
    caffe.ask("load", prototxt=_write(tmp_path / "train_val.prototxt", done.train_val), phase="TRAIN")


def test_a_loss_of_test_alone_is_a_measure(data: DataLayers) -> None:
    """It would compare the old outputs of a layer that nothing trains with the new labels."""
    aux = """
    layer { name: "aux" type: "InnerProduct" bottom: "data" top: "aux"
            inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
    layer { name: "aux_loss" type: "SoftmaxWithLoss" bottom: "aux" bottom: "label" top: "aux_loss"
            include { phase: TEST } }
    """
    text = (NETS / "lenet.prototxt").read_text()

    done = _operate(parse_net(text + aux, "lenet"), data)

    assert [head.source for head in done.heads] == ["ip2"]
    assert "aux_loss" not in [layer.name for layer in done.train_val.layer]
    [loss] = [layer for layer in done.train_val.layer if layer.type == "SoftmaxWithLoss"]
    assert not loss.include


def test_a_head_in_groups_that_do_not_share_the_classes(data: DataLayers) -> None:
    """What to take out is named, and helps."""
    text = (NETS / "squeeze.prototxt").read_text()
    before, conv10 = text.split('name: "conv10"')
    grouped = f'{before}name: "conv10"{conv10.replace("num_output: 10", "group: 2 num_output: 10", 1)}'

    with pytest.raises(BadNetError, match=r"in 2 groups.* 7 classes equally: take group out of its conv"):
        _operate(parse_net(grouped, "squeeze"), data)
    _operate(parse_net(text, "squeeze"), data)
