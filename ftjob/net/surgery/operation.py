"""From a base net and a spec's surgery to the train_val and deploy nets of a run."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ftjob.errors import BadNetError
from ftjob.net.legacy.upgrade import upgrade_net
from ftjob.net.proto.caffe_pb2 import TEST, TRAIN, NetParameter, SoftmaxParameter
from ftjob.net.surgery.between import clear_ways
from ftjob.net.surgery.data_layers import (
    IMAGES,
    LABELS,
    DataLayers,
    bring_labels,
    make_room,
    point_at,
    refuse_strange_layers,
)
from ftjob.net.surgery.deploy import deploy_net
from ftjob.net.surgery.freeze import freeze, frozen_layers, matches
from ftjob.net.surgery.heads import Head, find_heads, no_head_error
from ftjob.net.surgery.mixing import refuse_mixing
from ftjob.net.surgery.names import free_name, layer_names, refuse_twins
from ftjob.net.surgery.renew import fresh_names, rename_layers, renew, set_num_output
from ftjob.net.surgery.scores import starved_heads
from ftjob.net.surgery.statistics import settle_statistics
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES, param_count
from ftjob.net.topology.phases import reduce_rules, set_phases
from ftjob.suggest import did_you_mean
from jobspec.spec import Surgery

__all__ = ["ACCURACY", "ACCURACY_TOP_5", "DataLayers", "Operation", "Renewed", "operate"]

ACCURACY = "accuracy"
ACCURACY_TOP_5 = "accuracy_top5"
LOSS = "loss"


@dataclass(frozen=True)
class Renewed:
    """The layers of a base net that earlier stages initialised randomly and trained."""

    names: Mapping[str, str]
    """Name in the base net → name in the weights."""
    keeps_heads: bool
    """Whether the heads among them are trained further; else they are initialised again."""


NOTHING_RENEWED = Renewed(MappingProxyType({}), keeps_heads=False)


@dataclass(frozen=True)
class Operation:
    """The nets that surgery makes from a base net, and how they differ from it."""

    train_val: NetParameter
    deploy: NetParameter
    heads: tuple[Head, ...]
    renamed: Mapping[str, str]
    """New name → name in the base net, of every randomly initialised layer."""
    frozen: tuple[str, ...]
    """The layers with params that stay as they are."""
    inputs: Mapping[str, tuple[int, ...]]
    """Shapes of the blobs that the TRAIN net's data layer makes."""
    notes: tuple[str, ...] = ()
    """What was changed beside heads, freezing and data, a sentence each."""
    warnings: tuple[str, ...] = ()
    """What was left as it is and limits the result, a sentence each."""

    @property
    def main(self) -> Head:
        """The head that deploy keeps."""
        return next(head for head in self.heads if head.main)


def operate(
    net: NetParameter,
    surgery: Surgery,
    num_output: int,
    data: DataLayers,
    suffix: str,
    collected: Collection[str] = (),
    before: Renewed = NOTHING_RENEWED,
) -> Operation:
    """Make the train_val and deploy nets of a run from a base train_val or deploy net, which stays as it is.

    Heads and relearned layers are called `<name>_<suffix>`; operating on the result again changes nothing.
    `collected` are the BatchNorm layers whose statistics come with the weights (statistics.py), `before` the
    layers that have another name there than in the base net, by which surgery names them all the same.
    Raises BadNetError, naming the layer or the field of the spec, for a net that is no classifier and for
    surgery that names what is not there or contradicts itself.
    """
    train_val = reduce_rules(net)
    upgrade_net(train_val)
    _forget_engines(train_val)
    refuse_strange_layers(train_val)
    refuse_twins(train_val)
    brought = bring_labels(train_val)
    make_room(train_val, _own_blobs(train_val))
    heads = find_heads(train_val)
    if not heads:
        raise no_head_error(train_val)
    chosen = _chosen(train_val, heads, surgery, num_output, suffix)
    cleared = clear_ways(train_val, heads, {head.layer for head in chosen}, num_output)
    heads, done = list(cleared.heads), [*brought, *cleared.done]
    limits = (*cleared.warnings, *starved_heads(train_val, chosen, num_output))
    done += point_at(train_val, heads, data)
    _add_losses(train_val, heads)
    names, fresh = _renew(train_val, chosen, surgery, suffix, before)
    set_num_output(train_val, [names[head.layer] for head in chosen], num_output)
    done += settle_statistics(train_val, collected)
    frozen = frozen_layers(train_val, surgery.freeze, names)
    _refuse_frozen_news(frozen, fresh.values())
    freeze(train_val, frozen)
    after = _heads_after(train_val, names)
    main = _tested_head(after)
    _add_accuracies(train_val, main.score, num_output)
    deploy = deploy_net(train_val, main.score, data.input_shape, _softmax_of(train_val, main))
    refuse_mixing(deploy, deploy.layer[-1].bottom[0])
    renamed = {new: old for old, new in fresh.items() if new != old}
    _, *image = data.input_shape
    inputs = {IMAGES: (data.batch_size, *image), LABELS: (data.batch_size,)}
    return Operation(
        train_val=train_val,
        deploy=deploy,
        heads=tuple(after),
        renamed=MappingProxyType(renamed),
        frozen=frozen,
        inputs=MappingProxyType(inputs),
        notes=tuple(done),
        warnings=limits,
    )


def _tested_head(heads: Iterable[Head]) -> Head:
    """Return the main head. Raises BadNetError where the TEST net has none."""
    main = next(head for head in heads if head.main)
    if not main.tested:
        raise BadNetError(
            f'head "{main.layer}" is in the TRAIN net alone, and the TEST net has no other: write the layers '
            "up to it for both phases"
        )
    return main


def _forget_engines(net: NetParameter) -> None:
    """Let Caffe choose the library for each layer, in place: it ends at one that it was built without
    (layer_factory.cpp)."""
    for layer in net.layer:
        for field, param in layer.ListFields():
            if field.message_type and not field.is_repeated and "engine" in field.message_type.fields_by_name:
                param.ClearField("engine")


def _own_blobs(net: NetParameter) -> tuple[str, ...]:
    """The blobs that surgery adds; a net that has a loss keeps its own."""
    has_loss = any(layer.type in CLASSIFICATION_LOSSES for layer in net.layer)
    return (ACCURACY, ACCURACY_TOP_5) if has_loss else (ACCURACY, ACCURACY_TOP_5, LOSS)


def _chosen(
    net: NetParameter, heads: list[Head], surgery: Surgery, num_output: int, suffix: str
) -> list[Head]:
    """The heads that get num_output. Raises BadNetError where a name is wrong or a head would be left out."""
    if surgery.heads == "auto":
        return heads
    found = [head.layer for head in heads]
    for glob in surgery.heads:
        if not any(matches(name, [glob], suffix) for name in found):
            raise _wrong_head(net, glob, found)
    chosen = [head for head in heads if matches(head.layer, surgery.heads, suffix)]
    for head in heads:
        if head not in chosen and head.num_output != num_output:
            raise BadNetError(
                f"surgery.heads: {head.layer} is not in the list, so it would keep {head.num_output} outputs "
                f"beside {num_output} classes; list every head ({', '.join(found)}) or write auto"
            )
    return chosen


def _wrong_head(net: NetParameter, glob: str, found: list[str]) -> BadNetError:
    listed = ", ".join(found)
    if any(layer.name == glob for layer in net.layer):
        return BadNetError(f"surgery.heads: layer {glob} is no classifier; the net's heads are {listed}")
    return BadNetError(
        f"surgery.heads: no head is called {glob}; the net's heads are {listed}{did_you_mean(glob, found)}"
    )


def _renew(
    net: NetParameter, chosen: Collection[Head], surgery: Surgery, suffix: str, before: Renewed
) -> tuple[dict[str, str], dict[str, str]]:
    """Rename, in place, the layers to be randomly initialised, and those that earlier stages have trained.

    Heads get their rates, whichever they are; what is constant behind them stays so, unless it is named in
    relearn. Returns the new name of each, by its name in the base net, and those of the first kind alone.
    """
    of_heads = {name for head in chosen for name in (head.layer, *head.followers)}
    kept_heads = of_heads if before.keeps_heads else set[str]()
    new = _new_layers(net, of_heads - kept_heads, surgery.relearn, suffix)
    fresh = fresh_names(net, new, suffix)
    kept = {old: before.names.get(old, old) for old in (*before.names, *kept_heads) if old not in fresh}
    names, rated = kept | fresh, fresh.keys() | of_heads
    rename_layers(net, {old: name for old, name in kept.items() if old not in rated})
    followers = {name for head in chosen for name in head.followers}
    unasked = {name for name in followers if not matches(name, surgery.relearn, suffix)}
    renew(net, {old: name for old, name in names.items() if old in rated}, surgery.head_lr_mult, unasked)
    return names, fresh


def _new_layers(net: NetParameter, heads: Collection[str], relearn: Iterable[str], suffix: str) -> list[str]:
    """Names of the layers to be randomly initialised, in the net's order: those of heads, and to relearn."""
    new = set(heads)
    learners = list(dict.fromkeys(layer.name for layer in net.layer if param_count(layer)))
    for glob in relearn:
        matched = [name for name in learners if matches(name, [glob], suffix)]
        if not matched:
            raise BadNetError(
                f"surgery.relearn: no layer with weights matches {glob}{did_you_mean(glob, learners)}"
            )
        new.update(matched)
    return [name for name in learners if name in new]


def _refuse_frozen_news(frozen: Iterable[str], new: Iterable[str]) -> None:
    both = [name for name in frozen if name in set(new)]
    if both:
        raise BadNetError(
            f"surgery.freeze: {both[0]} is a new layer, randomly initialised, so it cannot be frozen; "
            "freeze up to an earlier layer"
        )


def _add_losses(net: NetParameter, heads: Iterable[Head]) -> None:
    """Let every head have a loss whose blob has a name, and the main one have it in both phases."""
    for layer in net.layer:
        if layer.type in CLASSIFICATION_LOSSES and not layer.top:
            layer.top.append(layer.name or LOSS)
    for head in heads:
        if not head.loss:
            name = LOSS if head.main else f"{head.layer}/loss"
            loss = net.layer.add(name=free_name(name, layer_names(net)), type="SoftmaxWithLoss", top=[name])
            loss.bottom.extend([head.score, LABELS])
            if head.loss_weight != 1:
                loss.loss_weight.append(head.loss_weight)
        elif head.main:
            layers = [layer for layer in net.layer if head.loss in layer.top]
            if len(layers) == 1:
                set_phases(layers[0], [TRAIN, TEST])


def _heads_after(net: NetParameter, names: Mapping[str, str]) -> list[Head]:
    olds = {new: old for old, new in names.items()}
    heads = [replace(head, source=olds.get(head.layer, head.layer)) for head in find_heads(net)]
    if not heads:
        raise no_head_error(net)
    return heads


def _add_accuracies(net: NetParameter, score: str, num_output: int) -> None:
    for name, top_k in ((ACCURACY, 1), (ACCURACY_TOP_5, 5)):
        if top_k == 1 or num_output > top_k:
            layer = net.layer.add(
                name=free_name(name, layer_names(net)), type="Accuracy", bottom=[score, LABELS], top=[name]
            )
            layer.include.add(phase=TEST)
            if top_k > 1:
                layer.accuracy_param.top_k = top_k


def _softmax_of(net: NetParameter, main: Head) -> SoftmaxParameter:
    """How the main head's loss takes its softmax, so that deploy takes it alike."""
    for layer in net.layer:
        if layer.type in CLASSIFICATION_LOSSES and main.loss in layer.top:
            return layer.softmax_param
    return SoftmaxParameter()
