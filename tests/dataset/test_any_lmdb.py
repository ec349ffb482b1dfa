"""Whatever an LMDB holds, `data check` ends with what it found, and a plan with a sentence or with facts."""

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.dataset.check.check import CheckOptions, check
from ftjob.dataset.check.inspection import inspect
from ftjob.dataset.findings import label_findings, refuse_errors
from ftjob.dataset.lmdb.read import records
from ftjob.errors import BadDataError
from ftjob.net.proto.caffe_pb2 import Datum
from tests.dataset.images import dataset

INT32 = st.integers(-(2**31), 2**31 - 1)
LABELS = st.one_of(st.integers(0, 2), st.integers(-3, 5), INT32)


@st.composite
def plain(draw: st.DrawFn) -> bytes:
    """Pixels of some shape, sometimes too many or too few, or an alleged shape of any size."""
    channels, height, width = (draw(st.integers(*bounds)) for bounds in ((0, 5), (0, 40), (0, 40)))
    size = channels * height * width + draw(st.sampled_from([0, 0, 0, -1, 1, 7]))
    value = Datum(channels=channels, height=height, width=width, label=draw(LABELS))
    value.data = bytes(draw(st.sampled_from([0, 1, 200, 255])) for _ in range(4)) * (max(0, size) // 4)
    value.data += bytes(max(0, size) - len(value.data))
    if draw(st.booleans()) and draw(st.booleans()):
        value.channels, value.height = draw(INT32), draw(INT32)
    return value.SerializeToString()


@st.composite
def floats(draw: st.DrawFn) -> bytes:
    """Features, sometimes with pixels beside them."""
    values = draw(st.lists(st.floats(width=32), max_size=5))
    value = Datum(channels=1, height=1, width=len(values), label=draw(LABELS), float_data=values)
    if draw(st.booleans()):
        value.data = bytes(len(values))
    return value.SerializeToString()


@st.composite
def packed(draw: st.DrawFn) -> bytes:
    """An image file, whole, cut or not one, of any number of channels and bits."""
    shape = [draw(st.integers(1, 40)), draw(st.integers(1, 40)), draw(st.sampled_from([1, 3, 3, 4]))]
    kind = draw(st.sampled_from([".png", ".jpg", ".bmp"]))
    dtype = np.uint16 if draw(st.booleans()) and kind == ".png" else np.uint8
    pixels = np.full(shape, draw(st.integers(0, 255)), dtype)
    pixels[: shape[0] // 2] = draw(st.integers(0, 255))
    data = cv2.imencode(kind, pixels)[1].tobytes()
    data = draw(st.sampled_from([data, data, data[: len(data) // 2], data[:9], b"", b"\xff\xd8\xff"]))
    return Datum(
        label=draw(LABELS), data=data, encoded=draw(st.sampled_from([True, True, False]))
    ).SerializeToString()


RECORDS = st.lists(st.one_of(plain(), packed(), floats(), st.binary(max_size=30)), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(values=RECORDS, crop=st.sampled_from([None, 8]), num_output=st.sampled_from([None, 2]))
def test_check_ends_with_findings(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes], crop: int | None, num_output: int | None
) -> None:
    """Never with an exception; where it finds no error, what plan asks is answered too."""
    folder = tmp_path_factory.mktemp("any")
    train = dataset(folder / "db", values)
    options = CheckOptions(num_output=num_output, crop=crop, sheet=folder / "sheets")

    alone = check(train, None, options)
    both = check(train, train, options)

    assert alone.train.records == both.train.records == len(values)
    assert alone.to_json()["ok"] == alone.ok
    if alone.ok:
        refuse_errors(label_findings(inspect(train), inspect(train), num_output))


@settings(max_examples=60, deadline=None)
@given(values=RECORDS)
def test_what_is_accepted_can_be_read_to_its_end(
    tmp_path_factory: pytest.TempPathFactory, values: list[bytes]
) -> None:
    """A record that a plan passes is read by whatever comes after it: engine, golden images, mean."""
    folder = dataset(tmp_path_factory.mktemp("any") / "db", values)

    try:
        facts = inspect(folder)
    except BadDataError as error:
        refused = str(error)
    else:
        refused = ""
        assert [record.image.shape[2] for record in records(folder)] == [facts.channels] * facts.records

    assert refused == "" or f"{folder}: record 00" in refused


def test_no_memory_is_taken_for_what_a_record_claims(tmp_path: Path) -> None:
    """A shape of 2^93 values, a label of 2^31: reported, not allocated."""
    claims = Datum(channels=2**31 - 1, height=2**31 - 1, width=2**31 - 1, label=2**31 - 1, data=b"x")
    train = dataset(tmp_path / "db", [claims.SerializeToString(), Datum(label=0).SerializeToString()])
    tracemalloc.start()

    report = check(train)

    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()
    assert "no image has label 1, 2, 3, 4, 5 …" in " ".join(finding.message for finding in report.findings)
