"""Requests of any shape: one is understood, or refused in a sentence; answers keep every number."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.serve.tensors import Inference, InvalidRequestError, OutputTensor, parse_request, render_answer

IMAGE = (1, 2, 2)
names = st.sampled_from(["image", "data", "probabilities", "labels", "", "x"])
numbers = st.integers(-2, 5) | st.just(10**30)
kinds = st.sampled_from(["BYTES", "FP32", "INT8"])
leaves = st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=5) | st.just("aGk=")
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
tensors = st.fixed_dictionaries(
    {
        "name": names,
        "datatype": st.sampled_from(["BYTES", "FP32", "INT8"]),
        "shape": st.lists(numbers, max_size=5),
    },
    optional={
        "data": anything,
        "parameters": st.dictionaries(
            st.sampled_from(["binary_data_size", "binary_data", "classification"]), numbers | leaves
        ),
    },
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2) | anything},
    optional={"id": leaves, "outputs": st.lists(tensors, max_size=2), "parameters": anything},
)


@given(requests | anything, st.binary(max_size=20), st.booleans(), st.integers(0, 40))
def test_any_request_is_understood_or_refused(
    document: object, rest: bytes, is_whole: bool, length: int
) -> None:
    """In one visible sentence; what is understood has pictures, or finite values of the net's shape."""
    head = json.dumps(document).encode()
    size = len(head) if is_whole else length
    try:
        asked = parse_request(head + rest, size if rest else None, IMAGE)
    except InvalidRequestError:
        return
    if asked.values is None:
        assert asked.pictures
    else:
        assert asked.values.shape[1:] == IMAGE
        assert np.isfinite(asked.values).all()


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(body: bytes) -> None:
    """They are no request."""
    with pytest.raises(InvalidRequestError, match=r"."):
        parse_request(body, None, IMAGE)


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2), st.booleans())
def test_answers_keep_every_number(row: list[float], binary: bool) -> None:
    """In JSON and in binary, with labels in any script."""
    wanted = (OutputTensor(name="probabilities"), OutputTensor(name="labels"))
    found = np.array([row], np.float32)
    body, size = render_answer(Inference("", wanted, binary), found, ("猫", "b"), "m", "1")
    outputs = json.loads(body[:size])["outputs"]
    label = "b" if row[1] > row[0] else "猫"
    if binary:
        assert size is not None
        assert np.frombuffer(body[size : size + 8], "<f4").tolist() == found[0].tolist()
        assert body[size + 8 :] == len(label.encode()).to_bytes(4, "little") + label.encode()
    else:
        assert outputs[0]["data"] == found[0].tolist()
        assert outputs[1]["data"] == [label]
