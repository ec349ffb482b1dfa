"""One record of a dataset, Caffe's Datum, as bytes: written whole, read without touching its pixels."""

from dataclasses import dataclass

from ftjob.protowire import BYTES, VARINT, MalformedError, bytes_field, number_field, plain_fields, signed

# Field numbers of message Datum (caffe.proto).
CHANNELS, HEIGHT, WIDTH, DATA, LABEL, FLOAT_DATA, ENCODED = range(1, 8)

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
        number_field(CHANNELS, channels),
        number_field(HEIGHT, height),
        number_field(WIDTH, width),
        *bytes_field(DATA, [data]),
        number_field(LABEL, label),
        number_field(ENCODED, 1) if encoded else b"",
    )
    return b"".join(parts)


def read_head(record: Buffer) -> DatumHead:
    """Walk over a record's fields. Raises RecordError for what is not a Datum."""
    values = {CHANNELS: 0, HEIGHT: 0, WIDTH: 0, LABEL: 0, ENCODED: 0}
    data, floats = slice(0, 0), False
    try:
        for number, wire_type, value, start, end in plain_fields(record, 0, len(record)):
            if number in values and wire_type == VARINT:
                values[number] = signed(value, 32)
            elif number == DATA and wire_type == BYTES:
                data = slice(start, end)
            elif number == FLOAT_DATA:
                floats = True
            elif number in values or number == DATA:
                raise MalformedError(f"field {number} has wire type {wire_type}")
    except MalformedError as error:
        raise RecordError(
            f"is not a Datum of Caffe ({error})", "build the dataset again with `ftjob data build`"
        ) from error
    channels, height, width, label, encoded = values.values()
    return DatumHead(channels, height, width, label, bool(encoded), data, floats)
