"""The wire format of protobuf, walked without copying what is in it."""

from collections.abc import Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES = 10


class MalformedError(ValueError):
    """The bytes are no message."""


class CutOffError(MalformedError):
    """The bytes end within a field."""


@dataclass
class Allowance:
    """How many fields a reader is ready to walk, over all messages of a file."""

    left: int

    def spend(self) -> None:
        """Take one. Raises MalformedError where none is left."""
        self.left -= 1
        if self.left < 0:
            raise MalformedError("it has more fields than any net's weights")


@dataclass(frozen=True)
class Field:
    """One field of a message: its value where it is a varint, else where its bytes are."""

    number: int
    wire_type: int
    value: int
    start: int
    end: int


def first_fields(head: bytes) -> Iterator[Field]:
    """Yield the fields that begin in a message's first bytes; the last one ends where these do.

    Raises MalformedError where they are no fields.
    """
    buffer = memoryview(head)
    found = 0
    try:
        for field in fields(buffer, 0, len(buffer)):
            yield field
            found = field.end
    except CutOffError:
        tag, start = _varint(buffer, found, len(buffer))
        if tag & 7 == BYTES:
            _, start = _varint(buffer, start, len(buffer))
            yield Field(tag >> 3, BYTES, 0, start, len(buffer))


def fields(buffer: memoryview, start: int, end: int, allowance: Allowance | None = None) -> Iterator[Field]:
    """Yield the fields of the message in buffer[start:end], as many as there is an allowance for.

    Raises CutOffError where the last one is not whole and MalformedError where they are no fields.
    """
    while start < end:
        if allowance:
            allowance.spend()
        tag, start = _varint(buffer, start, end)
        number, wire_type = tag >> 3, tag & 7
        value = 0
        begin = start
        if wire_type == VARINT:
            value, start = _varint(buffer, start, end)
        elif wire_type == BYTES:
            length, begin = _varint(buffer, start, end)
            start = begin + length
        elif wire_type in _FIXED:
            start += _FIXED[wire_type]
        else:
            raise MalformedError(f"field {number} at byte {begin} has the wire type {wire_type}")
        if number == 0:
            raise MalformedError(f"a field at byte {begin} has the number 0")
        if start > end:
            raise CutOffError(f"field {number} at byte {begin} ends at {start}, after the end at {end}")
        yield Field(number, wire_type, value, begin, start)


def varints(buffer: memoryview, field: Field) -> list[int]:
    """Return the integers of a field of a repeated int64, packed or one of many."""
    if field.wire_type == VARINT:
        return [_signed(field.value)]
    found = []
    start = field.start
    while start < field.end:
        value, start = _varint(buffer, start, field.end)
        found.append(_signed(value))
    return found


def _varint(buffer: memoryview, start: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(_VARINT_BYTES):
        if start + shift >= end:
            raise CutOffError(f"the number at byte {start} is not whole")
        byte = buffer[start + shift]
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, start + shift + 1
    raise MalformedError(f"the number at byte {start} is too long")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
