"""Which layers of a prototxt belong to a net's state: phase, level and stages."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import (
    TEST,
    TRAIN,
    LayerParameter,
    NetParameter,
    NetState,
    NetStateRule,
    Phase,
)
from ftjob.net.topology.layertypes import CLASSIFICATION_LOSSES, CLASSIFIERS, OTHER_LOSSES

# The stages that DIGITS and its users write into one prototxt for all three nets.
_STAGES = {TRAIN: "train", TEST: "val"}
MOST_STAGES = 8
"""Stages and levels that are tried, of more."""
LARGEST_LEVEL = 2**31 - 1


def filter_net(net: NetParameter, state: NetState) -> NetParameter:
    """Return a copy with only the layers a net in that state has (net.cpp, FilterNet)."""
    kept = NetParameter()
    kept.CopyFrom(net)
    del kept.layer[:]
    kept.layer.extend(layer for layer in net.layer if belongs(layer, state))
    return kept


def belongs(layer: LayerParameter, state: NetState) -> bool:
    """Return whether a layer is in a net of that state: all layers without rules are.

    Of include rules one must be met, of exclude rules none. Raises BadNetError for a layer with both kinds.
    """
    if layer.include and layer.exclude:
        raise BadNetError(f'layer "{layer.name}" has include and exclude rules; Caffe takes one kind only')
    if layer.include:
        return any(meets_rule(state, rule) for rule in layer.include)
    return not any(meets_rule(state, rule) for rule in layer.exclude)


def meets_rule(state: NetState, rule: NetStateRule) -> bool:
    """Return whether a state meets every condition of a rule (net.cpp, StateMeetsRule)."""
    return (
        (not rule.HasField("phase") or rule.phase == state.phase)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and all(stage in state.stage for stage in rule.stage)
        and not any(stage in state.stage for stage in rule.not_stage)
    )


def phase_state(net: NetParameter, phase: Phase) -> NetState:
    """Return the state a solver would give this net in a phase.

    That is the net's own `state` with the phase set, and the stage `train` or `val` where the layers' rules
    ask for one of the two (as the prototxts of DIGITS do). Where a layer of that state reads what no other
    makes, it is the first state of another stage or level in which none does: a solver's train_state and
    test_state would name it, which a prototxt alone does not.
    """
    state = _usual_state(net, phase)
    others = list(_other_states(net, state))
    if not others or _is_fed(net, state):
        return state
    taken = _stages(phase_state(net, TRAIN)) if phase == TEST else frozenset()

    def fitness(other: NetState) -> tuple[bool, bool, bool]:
        return _is_fed(net, other), _is_measured(net, other), not _stages(other) & taken

    best = max(others, key=fitness)
    return best if _is_fed(net, best) else state


def _usual_state(net: NetParameter, phase: Phase) -> NetState:
    state = NetState()
    state.CopyFrom(net.state)
    state.phase = phase
    stages = {stage for layer in net.layer for rule in layer.include for stage in rule.stage}
    if stages & set(_STAGES.values()) and _STAGES[phase] not in state.stage:
        state.stage.append(_STAGES[phase])
    return state


def _other_states(net: NetParameter, usual: NetState) -> Iterator[NetState]:
    """The states that the net's rules distinguish, likelier ones first: a stage more, another level, both."""
    rules = [rule for layer in net.layer for rule in (*layer.include, *layer.exclude)]
    stages = dict.fromkeys(stage for rule in rules for stage in (*rule.stage, *rule.not_stage))
    bounds = {rule.min_level + step for rule in rules if rule.HasField("min_level") for step in (-1, 0)}
    bounds |= {rule.max_level + step for rule in rules if rule.HasField("max_level") for step in (0, 1)}
    levels = sorted(
        (level for level in bounds - {usual.level} if abs(level) < LARGEST_LEVEL),
        key=lambda level: abs(level - usual.level),
    )
    chosen = [(stage,) for stage in stages if stage not in usual.stage][:MOST_STAGES]
    for level in (usual.level, *levels[:MOST_STAGES]):
        for extra in ((), *chosen):
            if extra or level != usual.level:
                yield NetState(phase=usual.phase, level=level, stage=[*usual.stage, *extra])


def _is_fed(net: NetParameter, state: NetState) -> bool:
    return _is_whole(net, [layer for layer in net.layer if belongs(layer, state)])


def _is_whole(net: NetParameter, layers: Iterable[LayerParameter]) -> bool:
    """Whether every one of a net's layers reads what one before it makes, and a classifier is among them."""
    made: set[str] = set()
    found = False
    for layer in layers:
        if not made.issuperset(layer.bottom):
            return False
        made.update(layer.top)
        found = found or layer.type in CLASSIFIERS
    return found or not _has_classifier(net.layer)


def _has_classifier(layers: Iterable[LayerParameter]) -> bool:
    return any(layer.type in CLASSIFIERS for layer in layers)


def _is_measured(net: NetParameter, state: NetState) -> bool:
    """Whether something in a state reads labels."""
    readers = CLASSIFICATION_LOSSES | OTHER_LOSSES | {"Accuracy"}
    return any(layer.type in readers for layer in net.layer if belongs(layer, state))


def _stages(state: NetState) -> frozenset[str]:
    return frozenset(state.stage)


def phase_view(net: NetParameter, phase: Phase) -> NetParameter:
    """Return the net as a solver has it in a phase, without rules."""
    view = filter_net(net, phase_state(net, phase))
    for layer in view.layer:
        layer.ClearField("include")
        layer.ClearField("exclude")
    return view


def reduce_rules(net: NetParameter) -> NetParameter:
    """Return a copy whose rules speak of phases only.

    Layers of neither the TRAIN nor the TEST state are left out; a rule about stages or levels becomes the
    phase it amounts to; a rule that speaks of a phase alone stays as it is written. A layer of one phase is
    in both where the other reads what it makes and has nothing else that makes it: a net for a solver's
    `train_net`, whose data layer is for TRAIN, has it in TEST too.
    """
    reduced = NetParameter()
    reduced.CopyFrom(net)
    reduced.ClearField("state")
    del reduced.layer[:]
    for layer, (written, taken) in zip(net.layer, _phases(net), strict=True):
        if taken:
            reduced.layer.append(layer)
            if _beyond_phase(layer) or taken != written:
                set_phases(reduced.layer[-1], taken)
    return reduced


def rule_remarks(net: NetParameter) -> list[tuple[str, str]]:
    """Return (a layer's name, how its rules were read) where the prototxt alone leaves that open."""
    remarks = []
    for phase in (TRAIN, TEST):
        state, usual = phase_state(net, phase), _usual_state(net, phase)
        words = [f'stage "{stage}"' for stage in state.stage if stage not in usual.stage]
        words += [f"level {state.level}"] if state.level != usual.level else []
        if words:
            first = next(layer for layer in net.layer if belongs(layer, state) != belongs(layer, usual))
            remarks.append((first.name, f"{Phase.Name(phase)} takes the layers of {' and '.join(words)}"))
    for layer, (written, taken) in zip(net.layer, _phases(net), strict=True):
        if layer.bottom and len(taken) > len(written) == 1:
            own, other = map(Phase.Name, [*written, *(phase for phase in taken if phase not in written)])
            remarks.append((layer.name, f"is for {own} alone, but {other} needs it too; is in both"))
    return remarks


def _phases(net: NetParameter) -> list[tuple[list[Phase], list[Phase]]]:
    """For every layer: the phases its rules put it in, and those it is in with what is lent."""
    written = {phase: _written(net, phase) for phase in (TRAIN, TEST)}
    taken = {phase: _members(net, phase) for phase in (TRAIN, TEST)}
    return [
        (
            [phase for phase in written if index in written[phase]],
            [phase for phase in taken if index in taken[phase]],
        )
        for index in range(len(net.layer))
    ]


def _written(net: NetParameter, phase: Phase) -> set[int]:
    """The layers, by index, that their rules put into a phase."""
    state = phase_state(net, phase)
    return {index for index, layer in enumerate(net.layer) if belongs(layer, state)}


def _members(net: NetParameter, phase: Phase) -> set[int]:
    """The layers, by index, of a phase, with those of the other one that make what it reads and nothing
    else makes."""
    own, other = _written(net, phase), _written(net, TEST if phase == TRAIN else TRAIN)
    own |= _lost_heads(net, own, other)
    while True:
        own |= (lent := _lent(net, own, other))
        rivals = _rivals(net, own, lent)
        if not rivals:
            return own
        own, other = own - rivals, other - rivals


def _lost_heads(net: NetParameter, own: set[int], other: set[int]) -> set[int]:
    """The losses of the other phase, where this one makes none of the scores that they read and has no loss
    itself; of a net without losses all layers, where this one has no classifier."""
    losses = {at for at in other if net.layer[at].type in CLASSIFICATION_LOSSES and net.layer[at].bottom}
    if not losses:
        lost = not _has_classifier(net.layer[at] for at in own)
        return {at for at in other if net.layer[at].bottom} if lost else set()
    made = {blob for at in own for blob in net.layer[at].top}
    lost = not any(net.layer[at].bottom[0] in made for at in losses)
    return losses if lost and not any(net.layer[at].type in CLASSIFICATION_LOSSES for at in own) else set()


def _lent(net: NetParameter, own: set[int], other: set[int]) -> set[int]:
    """The layers of the other phase that make what is missing in this one: for the first reader of each
    missing blob the last one before it that makes it, and for that one in turn."""
    first = _makers(net, own)
    makers = _makers(net, other - own)
    lent: set[int] = set()
    waiting = sorted(own)
    blobs = {index: iter(net.layer[index].bottom) for index in waiting}
    while waiting:
        index = heappop(waiting)
        for blob in blobs[index]:
            if first.get(blob, [index])[0] < index:
                continue
            before = makers.get(blob, [])
            at = bisect_left(before, index) - 1
            if at >= 0:
                maker = before[at]
                lent.add(maker)
                for top in net.layer[maker].top:
                    first[top] = [min(maker, *first.get(top, [maker]))]
                blobs[maker] = iter(net.layer[maker].bottom)
                heappush(waiting, maker)
                heappush(waiting, index)
                break
    return lent


def _makers(net: NetParameter, indices: Iterable[int]) -> dict[str, list[int]]:
    """The layers that make each blob, first to last."""
    found: dict[str, list[int]] = {}
    for index in sorted(indices):
        for blob in net.layer[index].top:
            found.setdefault(blob, []).append(index)
    return found


def _rivals(net: NetParameter, own: set[int], lent: set[int]) -> set[int]:
    """The sources that make what a lent source does: they are replaced anyhow, and two of them must not make
    one blob."""
    made = {blob for at in lent if not net.layer[at].bottom for blob in net.layer[at].top}
    return {at for at in own - lent if not net.layer[at].bottom and made & set(net.layer[at].top)}


def set_phases(layer: LayerParameter, phases: list[Phase]) -> None:
    """Make a layer belong to one phase, or to both."""
    layer.ClearField("include")
    layer.ClearField("exclude")
    if len(phases) == 1:
        layer.include.add(phase=phases[0])


def _beyond_phase(layer: LayerParameter) -> bool:
    rules = [*layer.include, *layer.exclude]
    return any(field.name != "phase" for rule in rules for field, _ in rule.ListFields())
