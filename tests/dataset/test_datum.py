"""Records as bytes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.dataset.lmdb.datum import RecordError, encode_datum, read_head
from ftjob.net.proto.caffe_pb2 import Datum

SIZES = st.integers(0, 2**31 - 1)


@given(data=st.binary(max_size=300), label=SIZES, height=SIZES, encoded=st.booleans())
def test_protobuf_reads_what_is_written(data: bytes, label: int, height: int, encoded: bool) -> None:
    """The bytes are those that protobuf makes of the same Datum, so any Caffe reads them."""
    written = encode_datum(data, label, channels=3, height=height, width=7, encoded=encoded)

    datum = Datum(channels=3, height=height, width=7, data=data, label=label)
    if encoded:
        datum.encoded = True
    assert written == datum.SerializeToString()


@given(data=st.binary(max_size=300), label=st.integers(-(2**31), 2**31 - 1), encoded=st.booleans())
def test_a_head_is_read_from_any_datum(data: bytes, label: int, encoded: bool) -> None:
    """What protobuf writes is found again, negative labels included; the data is where the head has it."""
    value = Datum(channels=1, data=data, label=label, encoded=encoded).SerializeToString()

    head = read_head(value)

    assert (head.channels, head.height, head.label, head.encoded) == (1, 0, label, encoded)
    assert value[head.data] == data


def test_float_data_is_recognised() -> None:
    """A Datum of features is a Datum, and no image."""
    assert read_head(Datum(float_data=[1.0, 2.0]).SerializeToString()).floats


@given(st.binary(min_size=1, max_size=40))
def test_any_bytes_are_a_datum_or_an_error(value: bytes) -> None:
    """Bytes that are no Datum are refused in a sentence, never with another exception."""
    with suppress(RecordError):
        read_head(value)


def test_a_record_cut_short_is_refused() -> None:
    """Half a record is not taken for a smaller one."""
    value = encode_datum(b"x" * 100, 1, channels=1, height=10, width=10)

    with pytest.raises(RecordError, match="ends inside field 4"):
        read_head(value[:60])
