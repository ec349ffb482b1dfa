"""Protobuf's wire format, read without copying values and written without protobuf.

Caffe's own Python imports this module too, so it must run on Python 3.7.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""The wire types in use; groups (3 and 4) are deprecated."""
_MOST_BYTES = 10
"""Of a varint."""
_SHORT = [bytes([value]) for value in range(0x80)]


class MalformedError(ValueError):
    """The bytes are not a protobuf message."""


class CutOffError(MalformedError):
    """The bytes end within a field."""


class Field(NamedTuple):
    """One field of a message: its value where it is a varint, and where the bytes of its value are."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


class Allowance:
    """Limits the fields that a reader walks, over all messages of a file."""

    def __init__(self, fields: int, exceeded: str) -> None:
        """`exceeded` is the message of the error where a file has more."""
        self._left, self._exceeded = fields, exceeded

    def spend(self) -> None:
        """Count one field. Raises MalformedError where the limit is exceeded."""
        self._left -= 1
        if self._left < 0:
            raise MalformedError(self._exceeded)


def fields(
    buffer: bytes | memoryview, start: int, end: int, allowance: Allowance | None = None
) -> Iterator[Field]:
    """Yield the fields of the message in buffer[start:end], as many as there is an allowance for.

    Raises CutOffError where the last one is not whole and MalformedError where they are no fields.
    """
    return map(Field._make, plain_fields(buffer, start, end, allowance))


def plain_fields(
    buffer: bytes | memoryview, start: int, end: int, allowance: Allowance | None = None
) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield what `fields` yields, as tuples without names: for millions of records."""
    while start < end:
        if allowance is not None:
            allowance.spend()
        tag = buffer[start]
        if tag < 0x80:  # most are one byte long, and a call would cost as much as all the rest
            start += 1
        else:
            tag, start = read_varint(buffer, start, end)
        number, wire_type = tag >> 3, tag & 7
        value, begin = 0, start
        if wire_type == VARINT:
            value, start = read_varint(buffer, start, end)
        elif wire_type == BYTES:
            length, begin = read_varint(buffer, start, end)
            start = begin + length
        elif wire_type == FIXED32:
            start += 4
        elif wire_type == FIXED64:
            start += 8
        else:
            raise MalformedError("field %d at byte %d has the wire type %d" % (number, begin, wire_type))
        if number == 0:
            raise MalformedError("a field at byte %d has the number 0" % begin)
        if start > end:
            raise CutOffError("it ends inside field %d at byte %d" % (number, begin))
        yield number, wire_type, value, begin, start


def first_fields(head: bytes) -> Iterator[Field]:
    """Yield the fields that begin in a message's first bytes; the last one ends where these do.

    Raises MalformedError where they are no fields.
    """
    size, found = len(head), 0
    try:
        for field in fields(head, 0, size):
            yield field
            found = field.end
    except CutOffError:
        tag, start = read_varint(head, found, size)
        if tag & 7 == BYTES:
            _, start = read_varint(head, start, size)
            yield Field(tag >> 3, BYTES, 0, start, size)


def int64s(buffer: bytes | memoryview, field: Field) -> list[int]:
    """Return the integers of a field of a repeated int64, packed or one of many."""
    if field.wire_type == VARINT:
        return [signed(field.value, 64)]
    found = []
    start = field.start
    while start < field.end:
        value, start = read_varint(buffer, start, field.end)
        found.append(signed(value, 64))
    return found


def signed(value: int, bits: int) -> int:
    """Return a varint as a signed integer of `bits` bits."""
    if not value >> (bits - 1):
        return value
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def read_varint(buffer: bytes | memoryview, start: int, end: int) -> tuple[int, int]:
    """Return the varint at `start`, and where it ends. Raises CutOffError, MalformedError."""
    if start < end and buffer[start] < 0x80:
        return buffer[start], start + 1
    value = shift = 0
    at = start
    while at < end:
        byte = buffer[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift == 7 * _MOST_BYTES:
            raise MalformedError("the number at byte %d is too long" % start)
    raise CutOffError("it ends inside the number at byte %d" % start)


def varint(value: int) -> bytes:
    """Return a number of 0 or more as a varint."""
    if value < 0x80:
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number_field(number: int, value: int) -> bytes:
    """Return a field that is an integer of 0 or more."""
    return varint(number << 3 | VARINT) + varint(value)


def double_field(number: int, value: float) -> bytes:
    """Return a field that is a double."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """Return a field that is a float. Raises OverflowError for what is too large for one."""
    return varint(number << 3 | FIXED32) + struct.pack("<f", value)


def message_field(number: int, *pieces: bytes) -> bytes:
    """Return a length-delimited field, such as a text or a message: its pieces, joined."""
    return b"".join(bytes_field(number, pieces))


def bytes_field(number: int, pieces: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return a length-delimited field whose value is the pieces, none of them copied."""
    return [varint(number << 3 | BYTES) + varint(sum(map(len, pieces))), *pieces]
