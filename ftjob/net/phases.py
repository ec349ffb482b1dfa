"""Which layers of a prototxt belong to a net's state: phase, level and stages."""

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

# The stages that DIGITS and its users write into one prototxt for all three nets.
_STAGES = {TRAIN: "train", TEST: "val"}


def filter_net(net: NetParameter, state: NetState) -> NetParameter:
    """Return a copy with only the layers a net in that state has (net.cpp, FilterNet)."""
    kept = NetParameter()
    kept.CopyFrom(net)
    del kept.layer[:]
    kept.layer.extend(layer for layer in net.layer if belongs(layer, state))
    return kept


def belongs(layer: LayerParameter, state: NetState) -> bool:
    """Say whether a layer is in a net of that state: all layers without rules are.

    Of include rules one must be met, of exclude rules none. Raises BadNetError for a layer with both kinds.
    """
    if layer.include and layer.exclude:
        raise BadNetError(f'layer "{layer.name}" has include and exclude rules; Caffe takes one kind only')
    if layer.include:
        return any(meets_rule(state, rule) for rule in layer.include)
    return not any(meets_rule(state, rule) for rule in layer.exclude)


def meets_rule(state: NetState, rule: NetStateRule) -> bool:
    """Say whether a state meets every condition of a rule (net.cpp, StateMeetsRule)."""
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
    ask for one of the two (as the prototxts of DIGITS do).
    """
    state = NetState()
    state.CopyFrom(net.state)
    state.phase = phase
    asked = {stage for layer in net.layer for rule in layer.include for stage in rule.stage}
    if asked & set(_STAGES.values()) and _STAGES[phase] not in state.stage:
        state.stage.append(_STAGES[phase])
    return state


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
    phase it amounts to; a rule that speaks of a phase alone stays as it is written.
    """
    states = {phase: phase_state(net, phase) for phase in (TRAIN, TEST)}
    reduced = NetParameter()
    reduced.CopyFrom(net)
    reduced.ClearField("state")
    del reduced.layer[:]
    for layer in net.layer:
        phases = [phase for phase, state in states.items() if belongs(layer, state)]
        if phases:
            reduced.layer.append(layer)
            if _beyond_phase(layer):
                set_phases(reduced.layer[-1], phases)
    return reduced


def set_phases(layer: LayerParameter, phases: list[Phase]) -> None:
    """Make a layer belong to one phase, or to both."""
    layer.ClearField("include")
    layer.ClearField("exclude")
    if len(phases) == 1:
        layer.include.add(phase=phases[0])


def _beyond_phase(layer: LayerParameter) -> bool:
    rules = [*layer.include, *layer.exclude]
    return any(field.name != "phase" for rule in rules for field, _ in rule.ListFields())
