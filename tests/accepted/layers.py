"""Pieces of a net's body: each adds layers behind a blob and returns the blob that goes on."""

from collections.abc import Callable

from tests.accepted.builder import Builder, Layer, Rate

Piece = Callable[[Builder, str], str]

# What may be drawn, with bars between; the simplest is the first.
XAVIER = 'type: "xavier"'
FILLERS = """
    type: "gaussian" std: 0.05 | type: "msra" | type: "msra" variance_norm: FAN_OUT
    | type: "xavier" variance_norm: AVERAGE | type: "uniform" min: -0.1 max: 0.1 | type: "uniform"
    | type: "uniform" min: 0.1 max: 0.1 | type: "constant" value: 0.01 | type: "constant" | type: "bilinear"
    | type: "positive_unitball" | type: "gaussian" std: 0.1 sparse: 1 | type: "gaussian" std: 0.1 sparse: 40
    | type: "gaussian" mean: 0.5 std: 0.1 | type: "gaussian" std: 0 | type: "xavier" sparse: 1"""
POINTWISE = {
    "ReLU": "| relu_param { negative_slope: 0.1 } | relu_param { negative_slope: -1 }",
    "Dropout": """
        | dropout_param { dropout_ratio: 0.3 } | dropout_param { dropout_ratio: 0 }
        | dropout_param { dropout_ratio: 1 } | dropout_param { dropout_ratio: 1.5 }""",
    "Sigmoid": "| sigmoid_param { engine: CAFFE }",
    "TanH": "",
    "ELU": "| elu_param { alpha: 0.5 } | elu_param { alpha: -1 }",
    "Power": """
        power_param { scale: 0.5 shift: 0.1 } | power_param { power: 2 } | power_param { power: 0.5 }
        | power_param { power: -1 shift: 1 } | power_param { power: 0 } | power_param { scale: 0 }""",
    "PReLU": '| prelu_param { channel_shared: true } | prelu_param { filler { type: "xavier" } }',
    "BNLL": "",
    "Swish": "| swish_param { beta: 0 }",
    "Clip": "clip_param { min: -1 max: 1 } | clip_param { min: 1 max: -1 } | clip_param { min: 0 max: 6 }",
    "Exp": """
        exp_param { scale: 0.1 } | | exp_param { base: 2 } | exp_param { base: 1 }
        | exp_param { base: -2 }""",
    "Log": """
        log_param { shift: 10 } | | log_param { base: 2 shift: 3 } | log_param { base: 1 shift: 3 }""",
    "AbsVal": "",
    "Threshold": "| threshold_param { threshold: 0.5 }",
    "Softmax": "| softmax_param { axis: -1 } | softmax_param { axis: 2 } | softmax_param { axis: 0 }",
    "LRN": """
        | lrn_param { local_size: 3 } | lrn_param { norm_region: WITHIN_CHANNEL } | lrn_param { k: 0 }
        | lrn_param { norm_region: WITHIN_CHANNEL local_size: 1 } | lrn_param { local_size: 9 beta: 0.5 }
        | lrn_param { local_size: 4 }""",
    "MVN": """
        | mvn_param { across_channels: true } | mvn_param { normalize_variance: false }
        | mvn_param { eps: 0 }""",
    "Split": "",
}
ODD = {
    "Tile": "tiles: 2 | axis: 2 tiles: 2 | tiles: 1 | tiles: 0 | axis: 0 tiles: 2",
    "Reduction": """
        axis: 2 | axis: 2 operation: MEAN | axis: -1 operation: SUMSQ | axis: 2 operation: ASUM coeff: 0.1
        | axis: 1 |""",
    "SPP": """
        pyramid_height: 2 | pyramid_height: 1 | pyramid_height: 3 pool: AVE
        | pyramid_height: 2 pool: STOCHASTIC""",
    "Im2col": "kernel_size: 3 | kernel_size: 2 stride: 2",
    "ArgMax": "axis: 1 | | out_max_val: true axis: 1 | top_k: 2",
    "Flatten": "| axis: 1 | axis: 2 | axis: 0 | end_axis: 2",
    "Reshape": """
        shape { dim: [0, -1] } | shape { dim: [-1, 24] } | shape { dim: [0, -1, 1, 1] }
        | shape { dim: [1, -1] } | shape { dim: [4, -1] } | shape { dim: [0, 0, -1] }""",
    "Crop": "| axis: 2 offset: 0 | axis: 1 | offset: 1 offset: 1",
}
MESSAGES = {"Im2col": "convolution_param"}
"""The message of a type, where it is not called as the type is."""
ELTWISE = """
    | operation: MAX | operation: PROD | coeff: 1 coeff: -1 | coeff: 1 | operation: PROD coeff: 1 coeff: 1
    | operation: PROD stable_prod_grad: false"""
SCALES = """
    | axis: 0 | axis: 2 | num_axes: -1 | num_axes: 0 | num_axes: 2 | axis: -1 | filler { type: "xavier" }
    | num_axes: 0 filler { type: "xavier" } | bias_term: true bias_filler { type: "bilinear" }"""
POOLED = "pooling_param { pool: AVE global_pooling: true } | pooling_param { pool: MAX global_pooling: true }"
WINDOWS = """
    global_pooling: true | kernel_size: 3 stride: 2 pad: 1 | kernel_size: 3 stride: 2 round_mode: FLOOR
    | kernel_h: 2 kernel_w: 1 | kernel_size: 7 stride: 5 | kernel_size: 2 stride: 3 | kernel_size: 3 pad: 2
    | kernel_size: 2 pad: 2 | global_pooling: true pad: 1 | global_pooling: true kernel_size: 2
    | kernel_size: 2 engine: CAFFE"""
RATES: tuple[Rate, ...] = (
    {"lr_mult": 1, "decay_mult": 1},
    {"lr_mult": 2, "decay_mult": 0},
    {"lr_mult": 0},
    {},
    {"lr_mult": -1},
    {"lr_mult": 0, "decay_mult": 0},
)


def filler(b: Builder) -> str:
    """What stands in a filler, mostly xavier."""
    return b.either(FILLERS) if b.chance(8) else XAVIER


def fillers(b: Builder) -> str:
    """The fillers of weights and bias."""
    bias = f" bias_filler {{ {filler(b)} }}" if b.chance(15) else ""
    return f"weight_filler {{ {filler(b)} }}{bias}"


def rates(b: Builder) -> list[Rate]:
    """The param messages of a layer with weights and bias; mostly none."""
    if not b.chance(25):
        return []
    return [b.pick(*RATES) for _ in range(b.pick(2, 1, 3) if b.chance(8) else 2)]


def width(b: Builder, blob: str) -> int:
    """The channels of a blob."""
    return b.shapes[blob][1] if len(b.shapes[blob]) > 1 else 1


def convolution(b: Builder, at: str) -> str:
    """A convolution, or in few cases a deconvolution, of any kind."""
    kernel, outputs = b.number(1, 5), b.number(2, 6)
    fields = [f"num_output: {outputs}"]
    if b.chance(92):
        fields.append(f"kernel_size: {kernel}")
    else:
        fields.append(
            b.either(f"""
            kernel_h: {kernel} kernel_w: 1 | kernel_size: {kernel} kernel_size: 1
            | kernel_h: {kernel} kernel_w: 2 pad_h: 1 pad_w: 0""")
        )
    if b.chance(25):
        fields.append(b.either("pad: 1 | stride: 2 | pad: 2 stride: 3 | pad: 3 | stride: 2 pad: 1"))
    if b.chance(12):
        fields.append(
            b.either(f"""
            dilation: 2 | group: {width(b, at)} | group: 2 | dilation: 3 | group: {outputs}
            | bias_term: false""")
        )
    if b.chance(3):
        fields.append(
            b.either("axis: 2 | axis: -3 | axis: 0 | force_nd_im2col: true | engine: CAFFE | engine: CUDNN")
        )
    kind = "Deconvolution" if b.chance(12) else "Convolution"
    return b.add(kind, [at], f"convolution_param {{ {' '.join(fields)} {fillers(b)} }}", rates=rates(b))


def fully(b: Builder, at: str, outputs: int = 0) -> str:
    """An InnerProduct."""
    more = ""
    if b.chance(12):
        more = b.either("bias_term: false | transpose: true | axis: 1 | axis: 2 | axis: -1 | axis: 0")
    settings = f"num_output: {outputs or b.number(2, 6)} {more} {fillers(b)}"
    return b.add("InnerProduct", [at], f"inner_product_param {{ {settings} }}", rates=rates(b))


def pooling(b: Builder, at: str) -> str:
    """Pooling of all kinds."""
    how = "STOCHASTIC" if b.chance(3) else b.pick("MAX", "AVE")
    window = f"kernel_size: {b.number(1, 4)} stride: {b.number(1, 3)}"
    if b.chance(35):
        window = b.either(WINDOWS)
    return b.add("Pooling", [at], f"pooling_param {{ pool: {how} {window} }}", tops=2 if b.chance(4) else 1)


def batch_norm(b: Builder, at: str) -> str:
    """BatchNorm with what may be written in it, and mostly a Scale."""
    fraction = "moving_average_fraction"
    settings = ""
    if b.chance(15):
        settings = b.either(f"eps: 1e-3 | {fraction}: 0.9 | eps: 0 | {fraction}: 1 | {fraction}: 0")
    still: Rate = {"lr_mult": 0, "decay_mult": 0}
    specs: list[Rate] = []
    if b.chance(40):
        specs = b.pick([still] * 3, [still], [{"lr_mult": 1}] * 3, [{"lr_mult": 1}])
    in_place = b.chance(40)
    if b.chance(10):
        name, top = b.name("BatchNorm"), at if in_place else b.name("normed")
        first, second = b.pick(("false", "true"), ("true", "false"))
        for phase, value in (("TRAIN", first), ("TEST", second)):
            text, rule = f"use_global_stats: {value} {settings}", f"include {{ phase: {phase} }}"
            b.append(
                Layer(name, "BatchNorm", (at,), (top,), f"batch_norm_param {{ {text} }}", tuple(specs), rule)
            )
        at = top
    else:
        if b.chance(25):
            settings += f" use_global_stats: {b.pick('false', 'true')}"
        at = b.add("BatchNorm", [at], f"batch_norm_param {{ {settings} }}", in_place=in_place, rates=specs)
    return scale(b, at) if b.chance(70) else at


def scale(b: Builder, at: str) -> str:
    """A Scale, or Bias, with params of its own, or in few cases with a constant or a learned one beside."""
    if b.chance(85):
        settings = b.either(SCALES) if b.chance(20) else "bias_term: true"
        return b.add("Scale", [at], f"scale_param {{ {settings} }}", in_place=b.chance(50), rates=rates(b))
    if b.chance(60):
        settings = b.either(
            '| axis: 0 num_axes: 1 | axis: -1 | num_axes: -1 | num_axes: 0 | filler { type: "msra" }'
        )
        return b.add("Bias", [at], f"bias_param {{ {settings} }}", in_place=b.chance(50))
    kind, message = b.pick(("Parameter", "parameter_param"), ("DummyData", "dummy_data_param"))
    beside = b.add(kind, [], f"{message} {{ shape {{ dim: {width(b, at)} }} }}")
    kind = b.pick("Bias", "Scale")
    return b.add(kind, [at, beside], f"{kind.lower()}_param {{ axis: {b.pick(1, 0)} }}")


def pointwise(b: Builder, at: str) -> str:
    """A layer that keeps the shape, in place or not."""
    kind = b.pick(*POINTWISE)
    usual, *_ = POINTWISE[kind].split("|")
    in_place = b.chance(50) and (kind not in ("AbsVal", "Split") or b.chance(5))
    settings = b.either(POINTWISE[kind]) if b.chance(30) else usual.strip()
    return b.add(kind, [at], settings, in_place=in_place)


def relu(b: Builder, at: str) -> str:
    """A ReLU in place."""
    return b.add("ReLU", [at], in_place=True)


def residual(b: Builder, at: str) -> str:
    """An Eltwise over a branch and what it began with."""
    outputs = f"num_output: {width(b, at)}"
    if b.is_map(at):
        settings = f"convolution_param {{ {outputs} kernel_size: 3 pad: 1 {fillers(b)} }}"
        branch = b.add("Convolution", [at], settings)
    else:
        branch = b.add("InnerProduct", [at], f"inner_product_param {{ {outputs} {fillers(b)} }}")
    bottoms = b.pick([at, at], [branch, at, branch], [branch]) if b.chance(6) else [branch, at]
    settings = b.either(ELTWISE) if b.chance(25) else ""
    return b.add("Eltwise", bottoms, f"eltwise_param {{ {settings} }}", in_place=b.chance(5))


def inception(b: Builder, at: str) -> str:
    """A Concat of one to three convolutions, and in few cases of what they read."""
    parts = []
    for _ in range(b.number(1, 3)):
        window = b.either("kernel_size: 1 | kernel_size: 3 pad: 1 | kernel_size: 5 pad: 2")
        settings = f"num_output: {b.number(1, 4)} {window} {fillers(b)}"
        parts.append(b.add("Convolution", [at], f"convolution_param {{ {settings} }}"))
    settings = b.either("axis: 1 | concat_dim: 1 | axis: -3 | axis: 2 | axis: 0") if b.chance(8) else ""
    return b.add("Concat", [*parts, at] if b.chance(20) else parts, f"concat_param {{ {settings} }}")


def sliced(b: Builder, at: str) -> str:
    """A Slice whose parts meet again, or of which one is thrown away or forgotten."""
    if width(b, at) < 2:
        return at
    cut = f"slice_point: {width(b, at) // 2}"
    if b.chance(10):
        cut = b.either(f"axis: 1 | slice_dim: 1 slice_point: 1 | slice_point: {width(b, at)} | axis: 0")
    first = b.add("Slice", [at], f"slice_param {{ {cut} }}", tops=2)
    second = b.layers[-1].tops[1]
    if b.chance(60):
        return b.add("Concat", b.pick([first, second], [second, first]))
    if b.chance(70):
        b.add("Silence", [second], tops=0)
    return first


def odd(b: Builder, at: str) -> str:
    """A layer that few nets have."""
    kind = b.pick(*ODD, "Embed", "Filter", "BatchReindex", "LSTM", "Split")
    if kind in ODD:
        message = MESSAGES.get(kind, f"{kind.lower()}_param")
        bottoms = [at, b.pick(at, *b.shapes)] if kind == "Crop" else [at]
        return b.add(kind, bottoms, f"{message} {{ {b.either(ODD[kind])} }}")
    if kind == "Split":
        b.add(kind, [at], tops=2)
        return str(b.pick(*b.layers[-1].tops))
    if "label" not in b.shapes:
        return at
    if kind == "Embed":
        return b.add(kind, ["label"], f"embed_param {{ num_output: 3 input_dim: 10 {fillers(b)} }}")
    settings = f"recurrent_param {{ num_output: 4 {fillers(b)} }}" if kind == "LSTM" else ""
    return b.add(kind, [at, "label"], settings)


MAPS: tuple[Piece, ...] = (
    convolution,
    relu,
    pooling,
    convolution,
    pointwise,
    batch_norm,
    residual,
    inception,
    sliced,
    scale,
    odd,
    fully,
)
FLAT: tuple[Piece, ...] = (fully, relu, pointwise, batch_norm, residual, sliced, scale, odd)
