"""caffe.proto is Caffe's own."""

import base64
from typing import Any

import numpy as np
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from ftjob.net.proto import caffe_pb2
from ftjob.net.topology.layertypes import KNOWN

OURS = 10_000
"""Fields numbered above are of forks, and stand in the .proto under a heading of their own."""


def _messages(file: FileDescriptorProto) -> dict[str, list[Any]]:
    return {message.name: _shape(message) for message in file.message_type if message.name in _caffes(file)}


def _caffes(file: FileDescriptorProto) -> set[str]:
    return {message.name for message in file.message_type if not message.name.endswith("OfForks")}


def _shape(message: DescriptorProto) -> list[Any]:
    fields = [
        (f.number, f.name, f.label, f.type, f.type_name.split(".")[-1], _default(f), f.options.packed)
        for f in message.field
        if f.number <= OURS
    ]
    return [sorted(fields), sorted(map(_values, message.enum_type), key=str)]


def _default(field: FieldDescriptorProto) -> str | np.float32:
    is_float = field.type == FieldDescriptorProto.TYPE_FLOAT and field.default_value
    return np.float32(field.default_value) if is_float else field.default_value


def _values(enum: EnumDescriptorProto) -> tuple[str, list[tuple[str, int]]]:
    return enum.name, sorted((value.name, value.number) for value in enum.value if value.number <= OURS)


def test_every_field_is_caffes(caffe: Any) -> None:
    """Message by message, fields, numbers, types, defaults and enum values are those of pycaffe."""
    theirs = FileDescriptorProto.FromString(base64.b64decode(caffe.ask("descriptor")["file"]))
    ours = FileDescriptorProto()
    caffe_pb2.DESCRIPTOR.CopyToProto(ours)

    assert _messages(ours) == _messages(theirs)


def test_known_layer_types_are_caffes(caffe: Any) -> None:
    """The types we know are exactly those that Caffe's factory makes."""
    assert sorted(KNOWN) == caffe.ask("layer_types")["types"]
