"""Prototxts: text in, messages in the current form out, and back."""

import re
from bisect import bisect_left
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from google.protobuf import text_format
from google.protobuf.message import Message

from ftjob.errors import BadNetError
from ftjob.net.forks.dialects import TYPES, ForkField
from ftjob.net.forks.places import Place
from ftjob.net.forks.rewrite import Settings, rewrite
from ftjob.net.forks.tolerant import Excused, Prototxt, parse, parse_excusing
from ftjob.net.known import check_names, replace_static_fillers
from ftjob.net.legacy.forms import net_instead, solver_instead
from ftjob.net.legacy.upgrade import upgrade_net, upgrade_solver
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter
from ftjob.net.topology.layertypes import KNOWN
from ftjob.net.topology.phases import rule_remarks

MOST_LAYERS = 6000
"""Of a prototxt; ResNet-1202 has 5,400."""


@dataclass(frozen=True)
class PrototxtNote:
    """Something that a prototxt has beyond Caffe 1.0, and how it was handled."""

    what: str
    """In words, such as `pooling_param.ceil_mode rounds as Caffe 1.0 does; left out`."""
    lines: tuple[int, ...]
    layers: tuple[str, ...]

    def __str__(self) -> str:
        others = f" and {len(self.lines) - 1} more" if len(self.lines) > 1 else ""
        layer = f"layer {self.layers[0]}{others}: " if self.layers[0] else ""
        return f"line {self.lines[0]}: {layer}{self.what}"


@dataclass(frozen=True)
class ParsedNet:
    """A net, and what its prototxt had beyond Caffe 1.0."""

    net: NetParameter
    notes: tuple[PrototxtNote, ...]
    """What was left out or rewritten without changing what is computed."""
    foreign: tuple[PrototxtNote, ...]
    """What only a fork can run: with any of these Caffe 1.0 does not take the net."""


def parse_net(text: str, source: str) -> NetParameter:
    """Return the net of a prototxt, upgraded to the current form.

    `source` is how messages name the text, such as its path. Raises BadNetError, beginning with
    `source:line:column:`, where it does not parse or has a field, value or layer type that Caffe 1.0 cannot
    run; those of widely used forks are rewritten where Caffe 1.0 computes the same (see dialects.py).
    """
    parsed = parse_net_with_notes(text, source)
    refuse_foreign(parsed, source)
    return parsed.net


def refuse_foreign(parsed: ParsedNet, source: str) -> None:
    """Raise BadNetError for a net that only a fork of Caffe can run."""
    if parsed.foreign:
        first, *more = parsed.foreign
        others = f" (and {len(more)} more such things)" if more else ""
        raise BadNetError(f"{source}: {first}{others}")


def parse_net_with_notes(text: str, source: str) -> ParsedNet:
    """Return the net of a prototxt with what was found of forks. Raises BadNetError as parse_net does, but
    not for layer types and fields that a known fork runs."""
    written = Prototxt(text, source)
    net = NetParameter()
    try:
        excused = parse_excusing(written, net)
    except BadNetError as error:
        raise _instead(solver_instead(written.places), source) or error from None
    notes, foreign = _field_notes(excused, written)
    types = [(layer.name, layer.type) for layer in net.layer]
    _refuse_many(net, source)
    _refuse_incomplete(net, source)
    _apply(excused, net)
    try:
        rewrite(net, _settings(written, excused))
        type_notes, foreign_types = _type_notes(types, {layer.type for layer in net.layer}, written)
        upgrade_net(net)
    except BadNetError as error:
        raise BadNetError(f"{source}: {error}") from None
    _refuse_many(net, source)
    if not net.layer:
        raise _instead(solver_instead(written.places), source) or BadNetError(
            f"{source}: the net has no layers: give the prototxt of a net"
        )
    fillers = _filler_notes(replace_static_fillers(net), written)
    check_names(net, written)
    rules = _rule_notes(net, written)
    weights = _without_weights(net, written)
    return ParsedNet(net, (*notes, *type_notes, *fillers, *rules, *weights), (*foreign, *foreign_types))


def parse_solver(text: str, source: str) -> SolverParameter:
    """Return the solver of a prototxt. Raises BadNetError as parse_net does."""
    solver = SolverParameter()
    written = Prototxt(text, source)
    try:
        parse(written, solver)
    except BadNetError as error:
        raise _instead(net_instead(written.places), source) or error from None
    try:
        upgrade_solver(solver)
    except BadNetError as error:
        raise BadNetError(f"{source}: {error}") from None
    return solver


def _refuse_many(net: NetParameter, source: str) -> None:
    """Raise BadNetError for more layers than a plan of them is made in a few seconds."""
    count = max(len(net.layer), len(net.layers))
    if count > MOST_LAYERS:
        raise BadNetError(f"{source}: has {count:,} layers, and nets of at most {MOST_LAYERS:,} are planned")


def _refuse_incomplete(net: NetParameter, source: str) -> None:
    """Raise BadNetError for a message without a field that caffe.proto requires, such as Clip's min."""
    for missing in net.FindInitializationErrors():  # type: ignore[attr-defined]  # its stubs lack this
        layer = re.match(r"layers?\[(\d+)\]\.(.*)", missing)
        if layer:
            name = (net.layer or net.layers)[int(layer[1])].name
            raise BadNetError(f'{source}: layer "{name}" has no {layer[2]}, which Caffe asks for: give it')
        raise BadNetError(f"{source}: has no {missing}, which Caffe asks for: give it")


def _without_weights(net: NetParameter, source: Prototxt) -> list[PrototxtNote]:
    """Remove weights written into the prototxt itself, in place; return one note for all."""
    holders = [layer for layer in net.layer if layer.blobs]
    for layer in holders:
        layer.ClearField("blobs")
    if not holders:
        return []
    line = next((place.line for place in source.places if place.inside == ("blobs",)), 1)
    what = "blobs are weights, which belong into a .caffemodel (base.weights); left out"
    return [PrototxtNote(what, (line,) * len(holders), tuple(layer.name for layer in holders))]


def _instead(sentence: str, source: str) -> BadNetError | None:
    return BadNetError(f"{source}: {sentence}") if sentence else None


def to_text(message: Message) -> str:
    """Return a message as prototxt; parsing it gives the same message."""
    return text_format.MessageToString(message)


def _field_notes(
    excused: Iterable[Excused], source: Prototxt
) -> tuple[list[PrototxtNote], list[PrototxtNote]]:
    """(what was left out, what only a fork reads), one note for all fields alike."""
    groups: dict[tuple[str, ForkField], list[Place]] = {}
    for cut in excused:
        if cut.field.outcome:
            groups.setdefault((".".join(cut.place.inside), cut.field), []).append(cut.place)
    notes: tuple[list[PrototxtNote], list[PrototxtNote]] = [], []
    for (name, field), places in groups.items():
        layers = tuple(source.value(place.layer, "name") if place.in_layer else "" for place in places)
        lines = tuple(place.line for place in places)
        notes[field.foreign].append(PrototxtNote(f"{name} {field.outcome}", lines, layers))
    return notes


def _type_notes(
    types: Iterable[tuple[str, str]], left: Container[str], source: Prototxt
) -> tuple[list[PrototxtNote], list[PrototxtNote]]:
    """(types that were rewritten, types that are left and only a fork runs), one note for each type."""
    notes: tuple[list[PrototxtNote], list[PrototxtNote]] = [], []
    found: dict[str, list[tuple[int, str]]] = {}
    for index, (name, kind) in enumerate(types):
        if kind not in KNOWN:
            found.setdefault(kind, []).append((index, name))
    for kind, layers in found.items():
        fork = TYPES.get(kind)
        if fork is None:
            continue
        places = [source.layer_field(index, "type") for index, _ in layers]
        lines = tuple(place.line if place else 0 for place in places)
        names = tuple(name for _, name in layers)
        if kind in left:
            notes[1].append(PrototxtNote(f"type {kind} {fork.refusal}", lines, names))
        else:
            notes[0].append(
                PrototxtNote(f"type {kind} of {fork.forks} becomes {fork.rewritten}", lines, names)
            )
    return notes


def _filler_notes(types: Iterable[str], source: Prototxt) -> Iterator[PrototxtNote]:
    """One note for each type of filler that was replaced."""
    for kind in types:
        places = [place for place in source.places if place.path[-1] == "type" and place.value == kind]
        layers = tuple(source.value(place.layer, "name") for place in places)
        what = f"filler {kind} of NVIDIA's fork fills as {kind.removesuffix('static')}; becomes that"
        yield PrototxtNote(what, tuple(place.line for place in places), layers)


def _rule_notes(net: NetParameter, source: Prototxt) -> Iterator[PrototxtNote]:
    """What was made of rules that leave open which layers a phase has; of rules that contradict themselves
    surgery speaks."""
    if not any(layer.include or layer.exclude for layer in net.layer):
        return
    remarks: dict[str, list[str]] = {}
    with suppress(BadNetError):
        for layer, what in rule_remarks(net):
            remarks.setdefault(what, []).append(layer)
    for what, layers in remarks.items():
        yield PrototxtNote(what, tuple(source.line_of(layer) for layer in layers), tuple(layers))


def _apply(excused: Iterable[Excused], net: NetParameter) -> None:
    for cut in excused:
        layers = net.layers if cut.place.path[0] == "layers" else net.layer
        if cut.field.apply and 0 <= cut.place.layer < len(layers):
            cut.field.apply(layers[cut.place.layer], cut.place.value)


def _settings(source: Prototxt, excused: Iterable[Excused]) -> dict[int, Settings]:
    """Numbers in the fork's own param messages, by layer."""
    found: dict[int, dict[str, float]] = {}
    messages = sorted((cut.place.start, cut.place.end) for cut in excused)
    for place in source.places if messages else []:
        at = bisect_left(messages, (place.start,)) - 1  # what was cut out never lies in each other
        if at >= 0 and place.end <= messages[at][1]:
            try:
                number = float(place.value)
            except ValueError:
                continue
            names = (place.path[-1], ".".join(place.path[-2:]))
            found.setdefault(place.layer, {}).update(dict.fromkeys(names, number))
    return dict(found)
