"""Settings of a base net's own layers that decide the result and that the spec omits or contradicts."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ftjob.formatting import float32_text
from ftjob.net.proto.caffe_pb2 import LossParameter
from ftjob.net.topology.shapes import NetShapes
from ftjob.net.transforms import Transform, own_transform
from ftjob.net.zoo.published import PUBLISHED, PublishedWeights, published_as
from ftjob.plan.inputs import Inputs
from jobspec.pinned import is_web, parse_pinned

_NET_SETS = "base.net itself sets {}, and the spec does not"
_TRAINED_WITH = "{name} was trained with {{}}, which the spec does not set"
_CLOSE = 1.0
"""Means that differ by less, of 255, are the same to any net."""


def overlooked(inputs: Inputs, shapes: NetShapes) -> Iterator[str]:
    """Yield a sentence for every setting of the base net that the spec lacks, with what to write."""
    own, published = own_transform(inputs.net), _published(inputs)
    if published:
        own = _of_published(published, own)
        yield from _contradicted(published, inputs)
    else:
        yield from _of_other_programs(inputs.spec.data.mean)
    if own and not (inputs.weights and inputs.weights.of_run):
        sentence = _TRAINED_WITH.format(name=published.name) if published else _NET_SETS
        yield from _transform(own, inputs, sentence)
    for layer in shapes.layers:
        if layer.type == "SoftmaxWithLoss":
            yield from _loss(layer.name, layer.layer.loss_param, inputs)


def _published(inputs: Inputs) -> PublishedWeights | None:
    """Return what is known of the weights by the digest that pins them."""
    location = inputs.weights.location if inputs.weights else ""
    return published_as(parse_pinned(location)) if is_web(location) else None


def _of_published(published: PublishedWeights, own: Transform | None) -> Transform:
    """Return what the images of published weights went through, and what else the net itself sets."""
    net = published.net
    own = own or Transform(layer="", crop=None, mean=(), mean_file="", scale=1.0, mirror=False)
    return replace(own, crop=own.crop or net.crop, mean=net.mean, mean_file="", scale=net.scale)


def _of_other_programs(mean: object) -> Iterator[str]:
    """Yield a sentence for ImageNet's mean in RGB, or for pixels from 0 to 1, as other programs have it."""
    if not isinstance(mean, list):
        return
    known = [list(each.net.mean) for each in PUBLISHED]
    if any(_is_close(mean[::-1], each) and not _is_close(mean, each) for each in known):
        yield (
            f"data.mean: the values {_values(mean)} are in the order RGB, and Caffe's images in BGR: "
            f"write {_values(mean[::-1])}, unless your LMDB is in RGB"
        )
    if 0 < max(mean) < 1:
        yield (
            f"data.mean: the values {_values(mean)} are for pixels from 0 to 1, but Caffe subtracts them "
            "from pixels from 0 to 255, before data.scale: multiply them by 255"
        )


def _contradicted(published: PublishedWeights, inputs: Inputs) -> Iterator[str]:
    """Yield a sentence for a mean or scale in the spec that the weights were not trained with."""
    data, net = inputs.spec.data, published.net
    given = [0.0] if data.mean == "none" else data.mean if isinstance(data.mean, list) else None
    if given is not None and not _is_close(given, net.mean):
        written = data.mean if isinstance(data.mean, str) else _values(given)
        yield _contradiction(published, "mean", written, _values(net.mean))
    if data.scale not in (1, net.scale):
        yield _contradiction(published, "scale", float32_text(data.scale), float32_text(net.scale))


def _contradiction(published: PublishedWeights, field: str, given: str, usual: str) -> str:
    return (
        f"data.{field}: is {given}, and {published.name} was trained with {usual}, which its weights expect: "
        f"write data: {{{field}: {usual}}}, unless you mean that"
    )


def _transform(own: Transform, inputs: Inputs, sentence: str) -> Iterator[str]:
    """What the images of the weights went through matters to them; a scale matters to fillers and rates too,
    while mirroring is a choice."""
    missing = _missing(own, inputs)
    if not missing.keys() & ({"scale", "mean", "crop"} if inputs.weights else {"scale"}):
        return
    facts = [f"{name} {value}" for name, value in missing.items() if name != "mirror"]
    whose = "its weights expect that" if inputs.weights else "its fillers and rates are made for that"
    choice = "; mirror is optional" if "mirror" in missing else ""
    yaml = ", ".join(f"{name}: {value}" for name, value in missing.items())
    yield (
        f"data: {sentence.format(_enumerated(facts))}: {whose}{_factor(own) if 'scale' in missing else ''}; "
        f"write data: {{{yaml}}}{choice}"
    )


def _missing(own: Transform, inputs: Inputs) -> dict[str, str]:
    """What the net sets and the spec leaves at its default, as YAML."""
    data, train = inputs.spec.data, inputs.train
    found = {}
    if own.scale != 1 and data.scale == 1:
        found["scale"] = float32_text(own.scale)
    if data.mean == "auto" and (mean := _mean(own, inputs)):
        found["mean"] = mean
    sides = {train.height, train.width}
    if own.crop and data.crop is None and sides != {own.crop} and own.crop <= min(sides):
        found["crop"] = str(own.crop)
    if own.mirror and not data.mirror:
        found["mirror"] = "true"
    return found


def _mean(own: Transform, inputs: Inputs) -> str:
    """The net's mean, as YAML; nothing where it has none for these images, or theirs is the same."""
    mean, measured = own.known_mean, inputs.mean
    if not mean:
        plain = re.fullmatch(r"[\w./~-]+\.binaryproto", own.mean_file)
        return own.mean_file if plain else json.dumps(own.mean_file) if own.mean_file else ""
    channels = inputs.train.channels
    if len(mean) not in (1, channels):
        return ""
    if len(measured) == channels and _is_close(mean, measured):
        return ""
    return _values(mean)


def _is_close(left: Sequence[float], right: Sequence[float]) -> bool:
    """Return whether two means, one value for all channels or one for each, are the same to a net."""
    channels = max(len(left), len(right))
    wide = [list(mean) * channels if len(mean) == 1 else list(mean) for mean in (left, right)]
    return len(wide[0]) == len(wide[1]) and all(abs(a - b) < _CLOSE for a, b in zip(*wide, strict=True))


def _values(mean: Sequence[float]) -> str:
    """Return a mean as YAML."""
    return f"[{', '.join(map(float32_text, mean))}]"


def _factor(own: Transform) -> str:
    """How far what reaches the net is from what it was made for."""
    larger = own.scale < 1
    times = 1 / own.scale if larger else own.scale
    figure = f"{times:.0f}" if times >= 10 else f"{times:.2g}"
    return f", and what it gets now is {figure} times as {'large' if larger else 'small'}"


def _loss(name: str, param: LossParameter, inputs: Inputs) -> Iterator[str]:
    label = param.ignore_label
    if param.HasField("ignore_label") and label in inputs.train.histogram:
        names = inputs.train.labels
        called = f" ({names[label]})" if label < len(names) else ""
        yield (
            f'base.net: layer "{name}" has ignore_label: {label}, so label {label}{called} of this '
            "data is never learned: remove it from the prototxt"
        )
    if param.HasField("normalization") and param.normalization == LossParameter.NONE:
        images = inputs.spec.data.batch_size
        yield (
            f'base.net: layer "{name}" has normalization: NONE, which adds up the losses of the {images} '
            f"images of a batch: remove it, or divide solver.base_lr by {images}"
        )


def _enumerated(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
