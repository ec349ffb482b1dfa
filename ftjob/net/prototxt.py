"""Prototxts: text in, messages of today's form out, and back."""

import re
from typing import TypeVar

from google.protobuf import text_format
from google.protobuf.message import Message

from ftjob.errors import BadNetError
from ftjob.net.layertypes import KNOWN
from ftjob.net.places import Place, places
from ftjob.net.proto import caffe_pb2
from ftjob.net.proto.caffe_pb2 import NetParameter, SolverParameter
from ftjob.net.suggest import did_you_mean
from ftjob.net.upgrade import upgrade_net, upgrade_solver

_PACKAGE = f"{caffe_pb2.DESCRIPTOR.package}."
_MESSAGES = {message.full_name: message for message in caffe_pb2.DESCRIPTOR.message_types_by_name.values()}
_UNKNOWN_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]*)"')
_UNKNOWN_VALUE = re.compile(r'Enum type "([\w.]+)" has no value named (\S+?)\.?$')

M = TypeVar("M", bound=Message)


def parse_net(text: str, source: str) -> NetParameter:
    """Return the net of a prototxt, in today's form whatever the form it is written in.

    `source` is how messages name the text, such as its path. Raises BadNetError, beginning with
    `source:line:column:`, where it does not parse or names a field, value or layer type that is not Caffe's.
    """
    net = _parse(text, source, NetParameter())
    try:
        upgrade_net(net)
    except BadNetError as error:
        raise BadNetError(f"{source}: {error}") from None
    _check_layers(net, text, source)
    return net


def parse_solver(text: str, source: str) -> SolverParameter:
    """Return the solver of a prototxt. Raises BadNetError as parse_net does."""
    solver = _parse(text, source, SolverParameter())
    try:
        upgrade_solver(solver)
    except BadNetError as error:
        raise BadNetError(f"{source}: {error}") from None
    return solver


def to_text(message: Message) -> str:
    """Return a message as prototxt; parsing it gives the same message."""
    return text_format.MessageToString(message)


def _parse(text: str, source: str, message: M) -> M:
    try:
        text_format.Parse(text, message)
    except text_format.ParseError as error:
        where = ":".join(
            str(part) for part in (source, error.GetLine(), error.GetColumn()) if part is not None
        )
        raise BadNetError(f"{where}: {_reason(error)}") from None
    return message


def _reason(error: text_format.ParseError) -> str:
    """What protobuf found, in a user's words."""
    text = re.sub(r"^\d+:\d+ : ", "", str(error))
    if match := _UNKNOWN_FIELD.search(text):
        message, field = match.groups()
        return f"{_short(message)} has no field {field}{did_you_mean(field, _field_names(message))}"
    if match := _UNKNOWN_VALUE.search(text):
        enum, value = match.groups()
        return f"{_short(enum)} has no value {value}{did_you_mean(value, _value_names(enum))}"
    return re.sub(r"^'.*': ", "", text).replace(_PACKAGE, "").rstrip(".")


def _short(full_name: str) -> str:
    return full_name.removeprefix(_PACKAGE)


def _field_names(message: str) -> list[str]:
    return list(_MESSAGES[message].fields_by_name)


def _value_names(enum: str) -> list[str]:
    owner, _, name = enum.rpartition(".")
    if owner in _MESSAGES:
        return list(_MESSAGES[owner].enum_types_by_name[name].values_by_name)
    return list(caffe_pb2.DESCRIPTOR.enum_types_by_name[name].values_by_name)


def _check_layers(net: NetParameter, text: str, source: str) -> None:
    if not net.layer:
        raise BadNetError(f"{source}: the net has no layers; is this a solver, or not a prototxt of a net?")
    for layer in net.layer:
        if layer.type not in KNOWN:
            where = _layer_place(text, layer.name, layer.type)
            prefix = f"{source}:{where.line}:{where.column}" if where else source
            said = f'the unknown type "{layer.type}"' if layer.type else "no type"
            raise BadNetError(f'{prefix}: layer "{layer.name}" has {said}{did_you_mean(layer.type, KNOWN)}')


def _layer_place(text: str, name: str, kind: str) -> Place | None:
    """Where the layer's type is written, else its name."""
    found = [place for place in places(text) if place.path[:1] in (("layer",), ("layers",))]
    named = {place.layer for place in found if place.path[1:] == ("name",) and place.value == name}
    for wanted, value in (("type", kind), ("name", name)):
        for place in found:
            if place.layer in named and place.path[1:] == (wanted,) and place.value == value:
                return place
    return None
