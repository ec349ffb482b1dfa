"""Whole cases: a net, data for it, weights, and a spec."""

from typing import Any

from hypothesis import strategies as st

from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.prototxt import parse_net
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import data_inputs, infer_shapes
from tests.accepted.builder import Builder, Draw
from tests.accepted.case import Case
from tests.accepted.datasets import draw_data
from tests.accepted.nets import Image, Net, draw_net
from tests.accepted.weights import FORMS, LayerBlobs, Shape, Weights

Section = dict[str, Any]
FOLDERS = (
    "case",
    "with blank",
    "ümlaut",
    'quo"te',
    "apostro'phe",
    "back\\slash",
    "#%s{}$HOME~",
)
NAMES = ("case", "x", "name-of-forty-characters-and-not-one-mor", "label")
GUARDS: tuple[Section, ...] = (
    {"patience": 1},
    {"diverged": True},
    {"not_learning": "50%"},
    {"not_learning": 1},
)
POLICIES: tuple[Section, ...] = (
    {"lr_policy": "fixed"},
    {"lr_policy": "step", "stepsize": 1},
    {"lr_policy": "step", "stepsize": "1%"},
    {"lr_policy": "multistep", "stepvalue": [1]},
    {"lr_policy": "multistep", "stepvalue": ["50%", "85%"]},
    {"lr_policy": "multistep", "stepvalue": [1, 2, 100]},
    {"lr_policy": "exp", "gamma": 0.9},
    {"lr_policy": "exp", "gamma": 10},
    {"lr_policy": "inv", "gamma": 0.1, "power": 0.75},
    {"lr_policy": "poly"},
    {"lr_policy": "poly", "power": 0.5},
    {"lr_policy": "sigmoid", "gamma": 0.01, "stepsize": 1},
    {"lr_policy": "sigmoid", "gamma": 100, "stepsize": 1000},
)
SETTINGS: tuple[Section, ...] = (
    {"weight_decay": 0},
    {"weight_decay": 0.1, "regularization_type": "L1"},
    {"clip_gradients": 0.1},
    {"clip_gradients": 1e-20},
    {"momentum": 0},
    {"delta": 1},
)


@st.composite
def cases(draw: Draw) -> Case:
    """Draw a case, of which nearly half are accepted."""
    b = Builder(draw)
    data = draw_data(b)
    wanted = data.wanted
    if b.chance(3):
        wanted = b.pick((3, *wanted[1:]), (1, *wanted[1:]), (wanted[0], 12, 9))
    net = draw_net(draw, wanted)
    weights = draw_weights(b, net, wanted) if b.chance(50) else None
    spec: Section = {
        "name": b.pick(*NAMES) if b.chance(20) else NAMES[0],
        "base": {"net": "net.prototxt", **({"weights": "net.caffemodel"} if weights else {})},
        "surgery": surgery(b, net, weights is not None),
        "data": data.section,
        "solver": solver(b),
        "guards": {"diverged": False, "not_learning": False, **(b.pick(*GUARDS) if b.chance(10) else {})},
        "output": "runs",
    }
    resumes = b.chance(20)
    if resumes:
        spec["solver"]["snapshot"] = 1
    folder = b.pick(*FOLDERS) if b.chance(10) else FOLDERS[0]
    return Case(spec, net.text, data.train, data.val, weights, data.mean, folder, resumes)


def solver(b: Builder) -> Section:
    """Draw a solver of two iterations."""
    drawn: Section = {"max_iter": 2, "base_lr": b.pick(0.001, 0.01, 1.0, 1e-30, 1e6)}
    if b.chance(3):
        drawn = {"epochs": 0.1}
    drawn |= b.pick(*POLICIES) if b.chance(60) else {}
    if b.chance(50):
        drawn["type"] = b.pick("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
    if b.chance(15):
        drawn |= b.pick(*SETTINGS)
    for field, values in (("iter_size", (2, 3)), ("test_interval", (1, 2, "1%", 100))):
        if b.chance(20):
            drawn[field] = b.pick(*values)
    for field, values in (("snapshot", (1, 2, "50%", 100)), ("random_seed", (0, 2**31 - 1, 7))):
        if b.chance(15):
            drawn[field] = b.pick(*values)
    return drawn


def surgery(b: Builder, net: Net, has_weights: bool) -> Section:
    """Draw a surgery, which is none at all in most cases."""
    drawn: Section = {}
    first, last = net.layers[0], net.layers[-1]
    if b.chance(8):
        drawn["heads"] = b.pick(list(net.heads), ["*"], [net.heads[0]], ["inner*", "conv*"], ["fc*"], [first])
    if b.chance(6):
        drawn["num_output"] = b.pick(10, 7, 3, 2, 100)
    if b.chance(7):
        drawn["relearn"] = b.pick([first], ["conv*"], ["*"], [last], ["nothing"])
    if b.chance(15 if has_weights else 1):
        drawn["freeze"] = b.pick(
            {"up_to": first}, {"layers": [first]}, {"layers": ["conv*", "batchnorm*"]}, {"up_to": "conv"}
        )
    if b.chance(10):
        drawn["head_lr_mult"] = b.pick(1, 100, 0.001)
    return drawn


def draw_weights(b: Builder, net: Net, image: Image) -> Weights | None:
    """Draw weights for a net, right ones in most cases; None where the net has no shapes."""
    try:
        layers = params_of(net.text, image)
    except Exception:  # noqa: BLE001 - plan will report it
        return None
    if b.chance(15):
        layers = wrong(b, layers)
    return Weights(tuple(layers), b.pick(*FORMS) if b.chance(30) else FORMS[0])


def params_of(text: str, image: Image) -> list[LayerBlobs]:
    """Return what Caffe would save of a net: every layer, with its params. Raises BadNetError."""
    view = phase_view(parse_net(text, "net"), TRAIN)
    shapes = infer_shapes(view, {**data_inputs(view.layer, image), "data": (1, *image)})
    return [(layer.name, layer.type, tuple(param.shape for param in layer.params)) for layer in shapes.layers]


def wrong(b: Builder, layers: list[LayerBlobs]) -> list[LayerBlobs]:
    """Make something about weights another than the net's."""
    learned = [index for index, (_, _, shapes) in enumerate(layers) if shapes]
    if not learned:
        return layers
    at = b.pick(*learned)
    name, kind, shapes = layers[at]
    first, *others = shapes
    larger: Shape = (first[0] + 1, *first[1:]) if first else (2,)
    changed: tuple[list[LayerBlobs], ...] = (
        [],
        [(f"{name}_", kind, shapes)],
        [(name, kind, shapes[:1])],
        [(name, kind, (*shapes, (1,)))],
        [(name, kind, (first[::-1], *others))],
        [(name, kind, (larger, *others))],
        [(name, kind, tuple((1,) * (4 - len(shape)) + shape for shape in shapes))],
        [(name, kind, tuple((1, *shape, 1, 1) for shape in shapes))],
        [(name, kind, ())],
        [layers[at], layers[at]],
        [layers[at], ("another", "InnerProduct", ((2, 2),))],
    )
    return [*layers[:at], *b.pick(*changed), *layers[at + 1 :]]
