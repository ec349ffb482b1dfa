"""The wire format, held to protobuf's own reading and writing of it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob import protowire
from ftjob.net.proto.caffe_pb2 import BlobProto, BlobShape, Datum
from ftjob.protowire import Allowance, CutOffError, MalformedError, fields, first_fields, int64s


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_read_as_written(value: int) -> None:
    """At its place among other bytes, with where it ends."""
    written = protowire.varint(value)

    assert protowire.read_varint(b"\xff" + written + b"\xff", 1, len(written) + 2) == (
        value,
        len(written) + 1,
    )


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20))
def test_signed_integers_are_those_of_protobuf(dims: list[int]) -> None:
    """Negative ones too, which take ten bytes."""
    content = BlobShape(dim=dims).SerializeToString()

    assert [dim for field in fields(content, 0, len(content)) for dim in int64s(content, field)] == dims


@given(st.integers(0, 2**31 - 1), st.binary(max_size=300))
def test_fields_are_written_as_protobuf_writes_them(label: int, data: bytes) -> None:
    """The integer and the bytes, which may come in pieces."""
    written = b"".join([*protowire.bytes_field(4, [data[:9], data[9:]]), protowire.number_field(5, label)])

    assert written == Datum(data=data, label=label).SerializeToString()


@given(st.binary(max_size=40))
def test_any_bytes_are_fields_or_malformed(content: bytes) -> None:
    """No other exception; the fields lie one behind another, up to the end."""
    end = 0
    with suppress(MalformedError):
        for field in fields(memoryview(content), 0, len(content)):
            assert end < field.start <= field.end <= len(content)
            end = field.end
        assert end == len(content)


def test_a_message_that_is_cut_is_known() -> None:
    """Wherever it is cut but between two fields."""
    whole = BlobProto(num=300, data=[1.0, 2.0], channels=3).SerializeToString()
    ends = {field.end for field in fields(whole, 0, len(whole))}

    for length in set(range(1, len(whole))) - ends:
        with pytest.raises(CutOffError, match="it ends inside"):
            list(fields(whole, 0, length))


def test_a_head_has_the_field_that_goes_on_after_it() -> None:
    """It ends where the head does."""
    head = Datum(channels=3, data=b"x" * 300).SerializeToString()[:100]

    assert [(field.number, field.end) for field in first_fields(head)] == [(1, 2), (4, 100)]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"\x00\x00", "a field at byte 1 has the number 0"),
        (b"\x0b", "field 1 at byte 1 has the wire type 3"),
        (b"\x08" + b"\x80" * 10 + b"\x00", "the number at byte 1 is too long"),
    ],
)
def test_what_is_no_message_is_named(content: bytes, wrong: str) -> None:
    """With the byte at which it is seen."""
    with pytest.raises(MalformedError, match=wrong):
        list(fields(content, 0, len(content)))


def test_an_allowance_ends_the_walk() -> None:
    """Over all messages that it is given to."""
    content, allowance = b"\x08\x01" * 3, Allowance(5, "it has too many")
    assert len(list(fields(content, 0, 6, allowance))) == 3

    with pytest.raises(MalformedError, match="it has too many"):
        list(fields(content, 0, 6, allowance))
