"""Whole nets: how images come in, a body, one to three heads with their losses, and what is odd about it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.accepted import layers
from tests.accepted.builder import BATCH, V1_WORDS, Builder, Draw, Layer
from tests.accepted.oddities import ODDITIES

Image = tuple[int, int, int]
"""Channels, height, width."""

TRANSFORMS = """
    scale: 0.004 | mirror: true | mean_value: 104 mean_value: 117 mean_value: 123 | mean_value: 1
    | crop_size: 12 | mean_file: "mean.binaryproto" | force_color: true | force_gray: true
    | crop_size: 1000"""
SOURCES = {
    "Data": 'data_param { source: "elsewhere" batch_size: 8 backend: LMDB }',
    "ImageData": 'image_data_param { source: "list.txt" batch_size: 4 }',
    "HDF5Data": 'hdf5_data_param { source: "list.txt" batch_size: 4 }',
    "MemoryData": "memory_data_param { batch_size: 4 channels: 3 height: 12 width: 12 }",
    "DummyData": "dummy_data_param { shape { dim: [4, 3, 12, 12] } shape { dim: 4 } }",
}
OF_NET = 'force_backward: true | debug_info: true | state { stage: "mine" } | state { level: 1 }'
LOSS_PARAMS = """
    ignore_label: 2 | ignore_label: 255 | ignore_label: -1 | normalize: false | normalize: true
    | normalization: FULL | normalization: NONE | normalization: VALID ignore_label: 0
    | normalization: BATCH_SIZE"""
LOSS_WEIGHTS = "1 | 0.3 | 0 | -1 | 1e-8 | 2.5 | [1, 0]"
DOWNS = "[true, false] | [false, false] | [true, true] | true"
ACCURACIES = "| top_k: 5 | ignore_label: 1 | axis: 1 | top_k: 100 | axis: 3"
BETWEEN: dict[str, Callable[[Builder, str], str]] = {
    "a pointwise layer": layers.pointwise,
    "BatchNorm": layers.batch_norm,
    "Scale": layers.scale,
    "Slice": layers.sliced,
}
BETWEEN_SETTINGS = {
    "Flatten": "",
    "Reshape": """
        reshape_param { shape { dim: [0, -1] } } | reshape_param { shape { dim: [0, 0] } }
        | reshape_param { shape { dim: [-1, OLD] } } | reshape_param { shape { dim: [0, OLD] } }
        | reshape_param { shape { dim: [0, OLD, 1, 1] } } | reshape_param { shape { dim: [0, -1, 1, 1] } }
        | reshape_param { shape { dim: [1, -1] } } | reshape_param { shape { dim: [0, 1, -1] } }""",
    "Pooling": "pooling_param { pool: AVE kernel_size: 1 }",
    "Reduction": "reduction_param { axis: 2 } | reduction_param { axis: 1 }",
    "Tile": "tile_param { tiles: 1 } | tile_param { tiles: 2 }",
    "Concat": "concat_param { axis: 2 } | concat_param { axis: 1 }",
    "Eltwise": " | ".join(f"eltwise_param {{ {fields} }}" for fields in layers.ELTWISE.split("|")),
}
"""OLD stands for the number of classes that the net was made for."""


@dataclass(frozen=True)
class Net:
    """A drawn net."""

    text: str
    heads: tuple[str, ...]
    layers: tuple[str, ...]
    """Names of its layers."""


def draw_net(draw: Draw, image: Image) -> Net:
    """Draw a prototxt for images."""
    b = Builder(draw)
    classes = b.pick(5, 2, 3, 10)
    has_labels = b.chance(60)
    fields, at = source(b, image, has_labels)
    ends, heads = [at], []
    for _ in range(b.number(0, 4)):
        ends.append(piece(b, ends[-1]))
    for _ in range(b.number(1, 3) if b.chance(25) else 1):
        heads.append(head(b, b.pick(*reversed(ends)), classes, has_labels))
        if b.chance(20):
            ends.append(piece(b, ends[-1]))
    if b.chance(15):
        b.pick(*ODDITIES)(b)
    is_old = b.chance(15) and (all(layer.type in V1_WORDS for layer in b.layers) or b.chance(3))
    text = "".join(
        layer.old_text() if is_old and layer.type in V1_WORDS else layer.text() for layer in b.layers
    )
    names = dict.fromkeys(layer.name for layer in b.layers if layer.name and layer.type not in SOURCES)
    return Net(f'name: "net"\n{fields}{text}', tuple(heads), tuple(name for name in names if name))


def piece(b: Builder, at: str) -> str:
    """Add a piece of a body."""
    chosen: layers.Piece = b.pick(*(layers.MAPS if b.is_map(at) else layers.FLAT))
    return chosen(b, at)


def source(b: Builder, image: Image, has_labels: bool) -> tuple[str, str]:
    """Add what brings the images; return fields of the net itself, and the images' blob."""
    name = b.either("image | label_of_net | prob | accuracy | loss") if b.chance(8) else "data"
    b.shapes[name] = (BATCH, *image)
    dims = ", ".join(map(str, (b.pick(1, 10), *image)))
    fields = f"{b.either(OF_NET)}\n" if b.chance(5) else ""
    if has_labels:
        b.shapes["label"] = (BATCH,)
        train, test = "include { phase: TRAIN }", "include { phase: TEST }"
        for rule in b.pick((train,), ("",), ("", test)) if b.chance(12) else (train, test):
            data_layer(b, name, rule)
    elif b.chance(50):
        settings = f"input_param {{ shape {{ dim: [{dims}] }} }}"
        b.append(Layer("data", "Input", (), (name,), settings))
    else:
        shape = b.pick(f"input_shape {{ dim: [{dims}] }}", f"input_dim: [{dims}]")
        fields += f'input: "{name}"\n{shape}\n'
    return fields, name


def data_layer(b: Builder, blob: str, rule: str) -> None:
    """Add a data layer, as the base net has its own."""
    kind = b.pick(*SOURCES) if b.chance(8) else "Data"
    transform = f"transform_param {{ {b.either(TRANSFORMS)} }} " if b.chance(25) else ""
    name = b.pick("data", "mnist")
    b.append(Layer(name, kind, (), (blob, "label"), transform + SOURCES[kind], rule=rule))


def head(b: Builder, at: str, classes: int, has_labels: bool) -> str:
    """Add a classifier with its loss, accuracies and outputs; return its name."""
    is_map = b.is_map(at)
    if is_map and b.chance(30):
        at = b.add("Pooling", [at], b.either(layers.POOLED))
    if is_map and b.chance(40):
        classifier = score = convolved(b, at, classes)
        if b.shapes[score][2:] != (1, 1) and not b.chance(3):
            score = b.add("Pooling", [score], b.either(layers.POOLED))
    else:
        classifier = score = layers.fully(b, at, classes)
    for _ in range(b.number(1, 2) if b.chance(20) else 0):
        score = between(b, score, classes)
    if has_labels:
        loss(b, score)
    elif not b.chance(15):
        name = "" if "prob" in b.shapes or b.chance(20) else "prob"
        b.add(b.pick("Softmax", "Softmax", "Sigmoid", "ArgMax"), [score], name=name)
    return classifier


def convolved(b: Builder, at: str, classes: int) -> str:
    """Add a classifier that is a convolution: of one place, of its neighbours too, or of the whole map."""
    _, channels, height, width = b.shapes[at]
    kernel = b.either(f"kernel_size: 1 | kernel_h: {height} kernel_w: {width} | kernel_size: 3 pad: 1")
    group = b.either(f"group: 2 | group: {classes} | group: {channels}") if b.chance(5) else ""
    settings = f"num_output: {classes} {kernel} {group} {layers.fillers(b)}"
    return b.add("Convolution", [at], f"convolution_param {{ {settings} }}", rates=layers.rates(b))


def between(b: Builder, score: str, classes: int) -> str:
    """Add something between a classifier and its loss."""
    kind = b.pick(*BETWEEN, *BETWEEN_SETTINGS)
    if kind in BETWEEN:
        return BETWEEN[kind](b, score)
    settings = b.either(BETWEEN_SETTINGS[kind]).replace("OLD", str(classes))
    return b.add(kind, [score] * (2 if kind in ("Eltwise", "Concat") else 1), settings)


def loss(b: Builder, score: str) -> None:
    """Add a loss, and maybe more of what stands at a net's end."""
    kind = b.pick("HingeLoss", "MultinomialLogisticLoss") if b.chance(20) else "SoftmaxWithLoss"
    if kind == "MultinomialLogisticLoss" and not b.chance(15):
        score = b.add("Softmax", [score])
    settings = []
    if b.chance(12):
        settings.append(f"loss_weight: {b.either(LOSS_WEIGHTS)}")
    if b.chance(12):
        settings.append(f"loss_param {{ {b.either(LOSS_PARAMS)} }}")
    if b.chance(4):
        settings.append(f"softmax_param {{ {b.either('axis: 1 | axis: -1 | axis: 2 | axis: 0')} }}")
    if kind == "HingeLoss":
        settings.append(f"hinge_loss_param {{ norm: {b.pick('L2', 'L1')} }}")
    if b.chance(4):
        settings.append(f"propagate_down: {b.either(DOWNS)}")
    name = b.name("loss") if "loss" in b.shapes else "loss"
    rule = f"include {{ phase: {b.pick('TRAIN', 'TEST')} }}" if b.chance(6) else ""
    tops = b.pick((name, f"{name}_prob"), ()) if b.chance(5) else (name,)
    label = score if b.chance(2) else "label"
    b.append(Layer(name, kind, (score, label), tops, " ".join(settings), rule=rule))
    if b.chance(30):
        measure(b, score)


def measure(b: Builder, score: str) -> None:
    """Add an Accuracy, or what else a TEST net shows."""
    kind = b.pick("Accuracy", "Accuracy", "Softmax", "ArgMax")
    if kind != "Accuracy":
        b.add(kind, [score], rule="include { phase: TEST }")
        return
    rule = "" if b.chance(20) else "include { phase: TEST }"
    settings = f"accuracy_param {{ {b.either(ACCURACIES)} }}"
    b.add(kind, [score, "label"], settings, tops=2 if b.chance(10) else 1, rule=rule)
