"""Why weights do not have a net's shapes: the likeliest cause that the shapes show, and what to do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from ftjob.errors import BadNetError
from ftjob.net.layers.rule import Shape, text
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, NetParameter
from ftjob.net.surgery.data_layers import IMAGES
from ftjob.net.topology.graph import graph
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import infer_shapes
from ftjob.net.transforms import Transform

RELEARN = "name it in surgery.relearn, or give the weights of this very net"
LARGEST_SIDE = 1024
USUAL_SIDES = (224, 227, 256, 28, 32, 64, 96, 100, 112, 128, 192, 299, 331, 512)
"""Of images that published nets take."""
GREY, COLOUR = 1, 3
_MOST_CHANNELS = 4
_BUILD = {COLOUR: "in colour", GREY: "with `ftjob data build --grey`"}


@dataclass(frozen=True)
class Images:
    """A run's images, as far as the shapes of weights depend on them."""

    channels: int
    height: int
    width: int
    """Of the stored images, as is the height."""
    crop: int | None
    own: Transform | None = None
    """What the base net defines for its images."""

    @property
    def size(self) -> str:
        """Of what reaches the net."""
        return f"{self.crop}x{self.crop}" if self.crop else f"{self.height}x{self.width}"


@dataclass(frozen=True)
class Cause:
    """Why a layer's shapes differ, and what to do; nothing is claimed where `why` is empty."""

    why: str
    do: str

    @property
    def vague(self) -> bool:
        """Whether nothing better is known than that the layer is another one in the weights."""
        return RELEARN in self.do


@dataclass(frozen=True)
class Misfit:
    """A layer whose params are not those of the weights."""

    layer: LayerParameter
    net: NetParameter
    """The whole net, with its TRAIN and TEST layers."""
    wanted: tuple[Shape, ...]
    """The layer's params in the net."""
    stored: tuple[Shape, ...]
    """Its blobs in the weights."""
    inputs: Mapping[str, Shape]
    images: Images | None

    @property
    def fact(self) -> str:
        """What differs, to follow the layer's name in a message."""
        if len(self.wanted) != len(self.stored):
            return f"has {len(self.wanted)} params, but {len(self.stored)} in the weights"
        pairs = list(zip(self.wanted, self.stored, strict=True))
        wanted, stored = next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])
        return f"is {text(wanted)} in the net, but {text(stored)} in the weights"


def cause_of(misfit: Misfit) -> Cause:
    """Return the first cause that explains all of a layer's shapes, else that it can be relearned."""
    kind = misfit.layer.type
    finders: Sequence[_Finder] = _BY_SHAPE.get(kind, ())
    if len(misfit.wanted) != len(misfit.stored):
        finders = (_BY_NUMBER[kind],) if kind in _BY_NUMBER else ()
    if any(size < 1 for shape in misfit.stored for size in shape):
        finders = ()
    found = (find(misfit) for find in finders)
    return next((cause for cause in found if cause), Cause("", RELEARN))


def _batch_norm(misfit: Misfit) -> Cause | None:
    return Cause(
        "Caffe 1.0's BatchNorm has mean, variance and the number of them, and these weights are of a fork",
        "convert them: to relearn it would throw the statistics away",
    )


def _bias(misfit: Misfit) -> Cause | None:
    """One param more or less, at the end, is the bias."""
    shared = min(len(misfit.wanted), len(misfit.stored))
    apart = len(misfit.stored) - len(misfit.wanted)
    if abs(apart) != 1 or not shared or misfit.wanted[:shared] != misfit.stored[:shared]:
        return None
    field = _BIASED[misfit.layer.type]
    return Cause(
        f"the weights have {'a' if apart > 0 else 'no'} bias",
        f"write bias_term: {'true' if apart > 0 else 'false'} in its {field}",
    )


def _channels(misfit: Misfit) -> Cause | None:
    """The first layer's weights are for the channels of the images."""
    images, factor = misfit.images, _channel_factor(misfit)
    if images is None or not factor or not _reads_images(misfit):
        return None
    have, meant = images.channels, round(images.channels * factor)
    why = f"the images have {_called(have)}, and the weights are for {_called(meant)}"
    if have > _MOST_CHANNELS and images.width <= _MOST_CHANNELS:
        return Cause(
            f"{why}: the records are stored height by width by channels", "write them channels first"
        )
    build = _BUILD.get(meant, f"with {_called(meant)}")
    return Cause(why, f"build data.train and data.val {build}, or give weights for {_called(have)}")


def _channel_factor(misfit: Misfit) -> float:
    """How many times the channels of the net's images the weights' had; 0 where more differs than these."""
    (wanted, *others), (stored, *stored_others) = misfit.wanted, misfit.stored
    if others != stored_others or len(wanted) != len(stored) or len(wanted) < 2:
        return 0
    if wanted[:1] + wanted[2:] != stored[:1] + stored[2:]:
        return 0
    factor = stored[1] / wanted[1]
    if misfit.layer.type == "InnerProduct" and factor not in (COLOUR, 1 / COLOUR):
        return 0  # its bottom has places too, of which another crop has more or less
    channels = misfit.images.channels * factor if misfit.images else 0
    return factor if channels >= 1 and channels == int(channels) else 0


def _side(misfit: Misfit) -> Cause | None:
    """An InnerProduct's weights are for a bottom of one size, and so for images of one size."""
    images = misfit.images
    side = _fitting_side(misfit, images) if images else 0
    if images is None or not side:
        return None
    source = ", as base.net itself says" if images.own and images.own.crop == side else ""
    if side > min(images.height, images.width):
        do = f"build larger images (`ftjob data build --size {side}`) and write data.crop: {side}"
    elif images.height == images.width == side:
        do = "leave data.crop out"
    else:
        do = f"write data.crop: {side}"
    return Cause(f"the weights are for images of {side}x{side}{source}, and {images.size} reach the net", do)


def _fitting_side(misfit: Misfit, images: Images) -> int:
    """The side of square images with which the layer has the shapes of the weights; 0 where there is none."""
    view = phase_view(misfit.net, TRAIN)
    batch, channels, *now = misfit.inputs[IMAGES]

    def params(side: int) -> tuple[Shape, ...]:
        try:
            shapes = infer_shapes(view, {**misfit.inputs, IMAGES: (batch, channels, side, side)})
        except BadNetError:
            return ()
        return shapes.params.get(misfit.layer.name, ())

    likely = [images.own.crop] if images.own and images.own.crop else []
    for side in (*likely, *USUAL_SIDES):
        if params(side) == misfit.stored:
            return side
    return _bisect(params, misfit, max(now))


def _bisect(params: Callable[[int], tuple[Shape, ...]], misfit: Misfit, now: int) -> int:
    """Search sides below the images' own, or above it: the input count grows with the side."""
    size, wanted = prod(misfit.stored[0]), prod(misfit.wanted[0])
    low, high = (1, now) if size < wanted else (now, LARGEST_SIDE)
    while low <= high:
        side = (low + high) // 2
        found = params(side)
        if found == misfit.stored:
            return side
        too_large = prod(found[0]) > size if found else size > wanted
        low, high = (low, side - 1) if too_large else (side + 1, high)
    return 0


def _transposed(misfit: Misfit) -> Cause | None:
    wanted, stored = misfit.wanted[0], misfit.stored[0]
    if wanted[::-1] != stored or wanted == stored or misfit.wanted[1:] != misfit.stored[1:]:
        return None
    do = (
        "take transpose: true out of"
        if misfit.layer.inner_product_param.transpose
        else "write transpose: true in"
    )
    return Cause("the weights have it transposed", f"{do} its inner_product_param")


def _turned(misfit: Misfit) -> Cause | None:
    wanted, stored = misfit.wanted[0], misfit.stored[0]
    if sorted(wanted) != sorted(stored) or len(wanted) != len(stored):
        return None
    if wanted[:2] == stored[:2]:
        return Cause(
            "the weights have height and width exchanged", "exchange kernel_h and kernel_w in base.net"
        )
    return Cause(
        "the weights have the same axes in another order, as converters leave them",
        "convert them again, to num_output x channels x height x width",
    )


def _group(misfit: Misfit) -> Cause | None:
    wanted, stored = misfit.wanted[0], misfit.stored[0]
    if wanted[:1] + wanted[2:] != stored[:1] + stored[2:] or misfit.wanted[1:] != misfit.stored[1:]:
        return None
    channels = wanted[1] * misfit.layer.convolution_param.group
    group, rest = divmod(channels, stored[1])
    if rest or wanted[0] % group:
        return None
    return Cause(f"the weights have it in groups: {group}", f"write group: {group} in its convolution_param")


def _slopes(misfit: Misfit) -> Cause | None:
    """A PReLU has a slope for each channel, or one for all of them."""
    wanted, stored = prod(misfit.wanted[0]), prod(misfit.stored[0])
    if stored == 1 < wanted:
        return Cause(
            "the weights have one slope for all channels", "write channel_shared: true in its prelu_param"
        )
    if wanted == 1 < stored:
        return Cause(
            "the weights have a slope for each channel", "take channel_shared: true out of its prelu_param"
        )
    return None


def _same_numbers(misfit: Misfit) -> Cause | None:
    """As many numbers with other axes: the same weights, for another type of layer or by another writer."""
    if list(map(prod, misfit.wanted)) != list(map(prod, misfit.stored)):
        return None
    stored = misfit.stored[0]
    if misfit.layer.type == "InnerProduct" and len(stored) == 4 and stored[2:] != (1, 1):
        return Cause(
            "the weights have it as a convolution over its whole bottom",
            f'write it as type: "Convolution" with num_output: {stored[0]}, kernel_h: {stored[2]} and '
            f"kernel_w: {stored[3]} in base.net",
        )
    if misfit.layer.type == "Convolution" and len(stored) == 2:
        return Cause(
            "the weights have it as an InnerProduct",
            f'write it as type: "InnerProduct" with num_output: {stored[0]} in base.net',
        )
    return Cause(
        "the weights have as many numbers with other axes",
        f"save them again with the shapes {', '.join(map(text, misfit.wanted))}, if they are of this layer",
    )


def _settings(misfit: Misfit) -> Cause | None:
    """What the prototxt of the weights has other numbers for."""
    wanted, stored = misfit.wanted[0], misfit.stored[0]
    if len(wanted) != len(stored):
        return None
    others = [
        f"{name} {there}" + (f" instead of {here}" if here else "")
        for name, here, there in (
            ("num_output", wanted[0], stored[0]),
            ("kernel", text(wanted[2:]) if wanted[2:] else "", text(stored[2:]) if stored[2:] else ""),
        )
        if here != there
    ]
    if not others:
        return None
    return Cause(f"the weights are of a layer with {' and '.join(others)}", f"correct base.net, {RELEARN}")


def _reads_images(misfit: Misfit) -> bool:
    """Whether no layer with params lies between the images and a layer."""
    view = graph(phase_view(misfit.net, TRAIN))
    own = [index for index, layer in enumerate(view.layers) if layer.name == misfit.layer.name]
    before = view.upstream(own) - set(own)
    return not any(param_count(view.layers[index]) for index in before)


def _called(channels: int) -> str:
    words = {GREY: "1 channel (grey)", COLOUR: "3 channels (colour)"}
    return words.get(channels, f"{channels} channels")


_Finder = Callable[[Misfit], Cause | None]

_BIASED = {
    "Convolution": "convolution_param",
    "Deconvolution": "convolution_param",
    "InnerProduct": "inner_product_param",
    "Embed": "embed_param",
    "Scale": "scale_param",
}
_BY_NUMBER: Mapping[str, _Finder] = {"BatchNorm": _batch_norm, **dict.fromkeys(_BIASED, _bias)}
"""What may explain that there are more params, or fewer."""
_BY_SHAPE: Mapping[str, Sequence[_Finder]] = {
    "BatchNorm": (_same_numbers, _settings),
    "Bias": (_same_numbers,),
    "Convolution": (_channels, _turned, _group, _same_numbers, _settings),
    "Deconvolution": (_turned, _same_numbers, _settings),
    "InnerProduct": (_transposed, _channels, _side, _same_numbers, _settings),
    "PReLU": (_slopes, _same_numbers),
    "Scale": (_same_numbers,),
}
"""What may explain other shapes of as many params, the likeliest first."""
