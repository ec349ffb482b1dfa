"""A net's classifiers: the layers with one output per class, and the losses that follow them."""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, LayerParameter, NetParameter
from ftjob.net.topology.graph import Graph, graph
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES, CLASSIFIERS
from ftjob.net.topology.phases import phase_view

# Between a classifier and its loss these leave one number per class: none mixes classes with one another
# in a way that a new num_output would break.
PER_CLASS = frozenset(
    {
        "AbsVal",
        "ArgMax",
        "BNLL",
        "BatchNorm",
        "Bias",
        "Clip",
        "Dropout",
        "ELU",
        "Eltwise",
        "Exp",
        "Flatten",
        "Log",
        "PReLU",
        "Pooling",
        "Power",
        "ReLU",
        "Reshape",
        "Scale",
        "Sigmoid",
        "Softmax",
        "Split",
        "Swish",
        "TanH",
        "Threshold",
    }
)


MOST_HEADS = 30
"""GoogLeNet has three."""
MOST_ENDS = 200
"""Losses and accuracies, or outputs; GoogLeNet has nine."""
_HIDDEN = frozenset({"AbsVal", "BNLL", "Clip", "ELU", "PReLU", "ReLU", "Swish", "TanH"})
"""Activations of features: an output behind one of these, and no softmax, is no classifier's."""


@dataclass(frozen=True)
class Head:
    """One classifier of a net."""

    layer: str
    """Its name now, such as `loss3/classifier_emotions`."""
    source: str
    """Its name in the base net."""
    score: str
    """The blob of class scores it makes, before any softmax, in the TRAIN and TEST nets."""
    label: str
    """The label blob its loss is computed with; "label" where the net has no loss."""
    loss: str
    """The blob of its loss; empty where the net has none."""
    loss_weight: float
    main: bool
    """Whether deploy keeps it and accuracy is measured on it: of those in TEST the last with the largest loss
    weight."""
    num_output: int
    followers: tuple[str, ...]
    """Layers with params between it and its loss, whose sizes follow num_output (BatchNorm, Scale, PReLU)."""
    why: str
    """How it was found, for messages."""
    tested: bool = True
    """Whether the TEST net makes its scores; a second classifier may be there for TRAIN alone."""


def find_heads(net: NetParameter) -> list[Head]:
    """Return the classifiers of a train_val or deploy net, in the net's order; none where there are none.

    Every loss against labels is followed backwards to the InnerProduct or Convolution that makes its scores;
    in a net without such a loss every Accuracy, and without these every output. Raises BadNetError for a
    graph that Caffe would not take.
    """
    train = graph(phase_view(net, TRAIN))
    test = graph(phase_view(net, TEST))
    _refuse_many(train, test)
    softmaxes = frozenset({"Softmax"})
    for found in (
        _by_loss(train),
        _by_accuracy(test),
        _by_output(test, softmaxes),
        _by_output(test, PER_CLASS),
    ):
        if heads := _one_per_layer(found):
            _refuse_more(len(heads), MOST_HEADS, "classifiers")
            return _mark_main(heads, {blob for layer in test.layers for blob in layer.top})
    return []


def _refuse_many(*views: Graph) -> None:
    """Raise BadNetError for more losses than any classifier has: each is followed back through the net."""
    for view in views:
        kinds = Counter(layer.type for layer in view.layers)
        ends = sum(kinds[kind] for kind in (*CLASSIFICATION_LOSSES, "Accuracy"))
        loose = [at for at, layer in enumerate(view.layers) if layer.top and not view.readers[at]]
        _refuse_more(max(ends, len(loose)), MOST_ENDS, "losses, accuracies or outputs")


def _refuse_more(count: int, most: int, what: str) -> None:
    if count > most:
        raise BadNetError(f"the net has {count:,} {what}, and nets of at most {most} are planned")


def trace(net: Graph, end: int) -> tuple[list[int], list[int]]:
    """Follow a layer's first bottom backwards: (classifiers, the layers passed on the way, nearest first).

    No classifiers where the way ends at a layer that mixes or makes classes, such as Concat or data.
    """
    classifiers: list[int] = []
    passed: dict[int, None] = {}
    waiting = list(net.makers[end][:1])
    for index in waiting:  # which grows on the way
        kind = net.layers[index].type
        if kind in CLASSIFIERS:  # the way ends here: what lies below a classifier makes features
            classifiers.append(index)
        elif kind in PER_CLASS and index not in passed:
            passed[index] = None
            waiting.extend(net.makers[index])
        elif kind not in PER_CLASS:
            return [], list(passed)
    classifiers = sorted(set(classifiers))
    # Several classifiers may feed one end side by side, as where an Eltwise sums their scores. Where one is
    # computed from another (a sum of both, as in a residual block), the lower one makes features as well:
    # giving it num_output outputs would narrow the trunk to the classes. So such an end has no classifier.
    below = net.upstream(maker for index in classifiers for maker in net.makers[index])
    return (classifiers if below.isdisjoint(classifiers) else []), list(passed)


def _by_loss(net: Graph) -> Iterator[Head]:
    for end, layer in enumerate(net.layers):
        if layer.type in CLASSIFICATION_LOSSES and len(layer.bottom) > 1:
            yield from _heads_at(net, end, loss=layer.top[0] if layer.top else layer.name or "loss")


def _by_accuracy(net: Graph) -> Iterator[Head]:
    for end, layer in enumerate(net.layers):
        if layer.type == "Accuracy" and len(layer.bottom) > 1:
            yield from _heads_at(net, end, loss="")


def _by_output(net: Graph, kinds: frozenset[str]) -> Iterator[Head]:
    for end, layer in enumerate(net.layers):
        if net.readers[end] or not layer.top:
            continue
        if layer.type in kinds:
            yield from _heads_at(net, end, loss="")
        elif layer.type in CLASSIFIERS and kinds == PER_CLASS:
            yield _head(net, end, layer.top[0], [], f'it makes the output "{layer.top[0]}"')


def _heads_at(net: Graph, end: int, loss: str) -> Iterator[Head]:
    layer = net.layers[end]
    classifiers, passed = trace(net, end)
    if not classifiers:
        return
    score = _score(net, end, passed)
    kinds = {net.layers[index].type for index in (end, *passed)}
    labelled = layer.type in CLASSIFICATION_LOSSES | {"Accuracy"}
    if not labelled and kinds & _HIDDEN and "Softmax" not in kinds:
        return
    verb = "reads" if labelled else "is an output and reads"
    via = "".join(f", through {net.layers[index].type}" for index in passed)
    for index in classifiers:
        head = _head(net, index, score, [end, *passed], f'{layer.type} "{layer.name}" {verb} it{via}')
        weight = float(f"{layer.loss_weight[0]:.6g}") if layer.loss_weight else 1.0
        if not math.isfinite(weight):
            raise BadNetError(f'layer "{layer.name}" has a loss_weight of {weight}: give a number')
        label = layer.bottom[1] if labelled else "label"
        yield replace(head, loss=loss, loss_weight=weight, label=label)


def _head(net: Graph, index: int, score: str, passed: list[int], why: str) -> Head:
    layer = net.layers[index]
    return Head(
        layer=layer.name,
        source=layer.name,
        score=score,
        label="label",
        loss="",
        loss_weight=1.0,
        main=False,
        num_output=num_output(layer),
        followers=tuple(net.layers[at].name for at in passed if net.layers[at].type in _WITH_CLASS_PARAMS),
        why=why,
    )


_WITH_CLASS_PARAMS = frozenset({"BatchNorm", "Bias", "PReLU", "Scale"})


def _score(net: Graph, end: int, passed: list[int]) -> str:
    """The blob that goes into the last softmax on the way to an end, else into the end itself."""
    softmax = [index for index in (end, *passed) if net.layers[index].type in ("Softmax", "ArgMax")]
    if not softmax and net.layers[end].type in PER_CLASS:
        return net.layers[end].top[0]
    return net.layers[softmax[-1] if softmax else end].bottom[0]


def _one_per_layer(found: Iterator[Head]) -> list[Head]:
    """The heads, each once: where two losses follow one classifier, the one of larger weight counts."""
    heads: dict[str, Head] = {}
    for head in found:
        if head.layer not in heads or head.loss_weight > heads[head.layer].loss_weight:
            heads[head.layer] = head
    return list(heads.values())


def _mark_main(heads: list[Head], in_test: Collection[str]) -> list[Head]:
    """Of the heads whose scores are in TEST the last with the largest loss weight is the main one."""
    candidates = [head for head in heads if head.score in in_test] or heads
    largest = max(head.loss_weight for head in candidates)
    main = [head for head in candidates if head.loss_weight == largest][-1]
    return [replace(head, main=head is main, tested=head.score in in_test) for head in heads]


def num_output(layer: LayerParameter) -> int:
    """Return the number of outputs of an InnerProduct or Convolution."""
    if layer.type == "InnerProduct":
        return layer.inner_product_param.num_output
    return layer.convolution_param.num_output


def no_head_error(net: NetParameter) -> BadNetError:
    """Return the error for a net without a classifier: the layer at which the way back from a loss, or from
    the output, ended."""
    view = graph(phase_view(net, TRAIN))
    for end, layer in enumerate(view.layers):
        if layer.type in CLASSIFICATION_LOSSES and layer.bottom:
            stop = _stop(view, end)
            if stop is not None:
                return BadNetError(
                    f'no classifier was found: {layer.type} "{layer.name}" reads layer "{stop.name}" '
                    f"({stop.type}), which mixes the classes, so their number cannot be changed before it: "
                    "take it out, or put it before the classifier"
                )
    outputs = [layer for end, layer in enumerate(view.layers) if layer.top and not view.readers[end]]
    if outputs and (outputs[-1].type in _HIDDEN or outputs[-1].type in PER_CLASS):
        last = outputs[-1]
        return BadNetError(
            f'no classifier was found: the net ends with layer "{last.name}" ({last.type}), which makes '
            "features, not scores of classes: add an InnerProduct after it (ftjob sets its num_output), or "
            "give the net with its classifier"
        )
    kinds = sorted({layer.type for layer in net.layer})
    return BadNetError(
        "no classifier was found: no SoftmaxWithLoss, Accuracy or output follows an InnerProduct or "
        f"Convolution with one output per class (the net has layers of type {', '.join(kinds)})"
    )


def _stop(net: Graph, end: int) -> LayerParameter | None:
    """The layer at which the way back from a loss ends, where that is no source of data."""
    waiting, seen = list(net.makers[end][:1]), set()
    for index in waiting:  # which grows on the way
        layer = net.layers[index]
        if layer.type not in PER_CLASS | CLASSIFIERS:
            return layer if net.makers[index] else None
        if layer.type in PER_CLASS and index not in seen:
            seen.add(index)
            waiting.extend(net.makers[index])
    return None
