"""One record of a dataset, Caffe's Datum, as bytes: written whole, read without touching its pixels."""

from collections.abc import Iterator
from dataclasses import dataclass

# Field numbers of message Datum (caffe.proto).
CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED = range(1, 8)
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
INT32_MODULUS, INT32_SIGN = 1 << 32, 1 << 31

Buffer = bytes | memoryview
Shape = tuple[int, int, int]
"""(H, W, C)."""


class RecordError(Exception):
    """A record that cannot be used. Whoever knows which one it is names it."""

    def __init__(self, what: str, remedy: str) -> None:
        """Take what is wrong, as what follows `the record`, and what to do."""
        super().__init__(f"{what}: {remedy}")
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, slots=True)
class DatumHead:
    """A Datum but for its pixels. A field that was not written is 0, as in Caffe."""

    channels: int
    height: int
    width: int
    label: int
    encoded: bool
    data: slice
    """Where the pixels or the encoded image lie in the record."""
    floats: bool
    """Whether there are values in float_data, which no image has."""

    @property
    def size(self) -> int:
        """The bytes of the pixels or the encoded image."""
        return int(self.data.stop - self.data.start)


def encode_datum(
    data: bytes, label: int, *, channels: int, height: int, width: int, encoded: bool = False
) -> bytes:
    """Return the wire bytes of a Datum, fields in the order protobuf writes them.

    Raw data is CHW in BGR, uint8; encoded data is a PNG or JPEG file.
    """
    parts = (
        b"\x08" + varint(channels),
        b"\x10" + varint(height),
        b"\x18" + varint(width),
        b"\x22" + varint(len(data)),
        data,
        b"\x28" + varint(label),
        b"\x38\x01" if encoded else b"",
    )
    return b"".join(parts)


def read_head(record: Buffer) -> DatumHead:
    """Walk over a record's fields. Raises RecordError for what is not a Datum."""
    values = {CHANNELS: 0, HEIGHT: 0, WIDTH: 0, LABEL: 0, ENCODED: 0}
    data, floats = slice(0, 0), False
    try:
        for number, wire_type, value, end in _fields(record):
            if number in values and wire_type == VARINT:
                values[number] = _int32(value)
            elif number == DATA and wire_type == LENGTH_DELIMITED:
                data = slice(value, end)
            elif number == FLOAT_DATA:
                floats = True
            elif number in values or number == DATA:
                raise ValueError(f"field {number} has wire type {wire_type}")
    except (IndexError, ValueError) as error:
        raise RecordError(
            f"is not a Datum of Caffe ({error})", "build the dataset again with `ftjob data build`"
        ) from error
    channels, height, width, label, encoded = values.values()
    return DatumHead(channels, height, width, label, bool(encoded), data, floats)


def _fields(record: Buffer) -> Iterator[tuple[int, int, int, int]]:
    """(field, wire type, value, end) of each field; the value of bytes is where they begin."""
    position, length = 0, len(record)
    while position < length:
        tag, position = _read_varint(record, position)
        number, wire_type = tag >> 3, tag & 7
        value = position
        if wire_type == VARINT:
            value, position = _read_varint(record, position)
        elif wire_type == LENGTH_DELIMITED:
            size, value = _read_varint(record, position)
            position = value + size
        elif wire_type in (FIXED32, FIXED64):
            position += 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if position > length or number == 0:
            raise ValueError(f"it ends inside field {number}")
        yield number, wire_type, value, position


def _read_varint(record: Buffer, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = record[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 10 bytes")


def varint(value: int) -> bytes:
    """Return a number of 0 or more as the wire format has it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int32(value: int) -> int:
    value %= INT32_MODULUS
    return value - INT32_MODULUS if value >= INT32_SIGN else value
