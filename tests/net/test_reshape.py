"""A Reshape to the old number of classes: the size is named, and what to write instead works."""

import re
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.errors import BadNetError
from ftjob.net.layers.arrange import RULES
from ftjob.net.proto.caffe_pb2 import LayerParameter


def _reshape(bottom: tuple[int, ...], dims: list[int], axis: int = 0) -> tuple[int, ...]:
    layer = LayerParameter(name="r", type="Reshape", bottom=["x"], top=["y"])
    layer.reshape_param.shape.dim.extend(dims)
    layer.reshape_param.axis = axis
    [top] = RULES["Reshape"].infer(layer, [bottom]).tops
    return top


@pytest.mark.parametrize(
    ("bottom", "dims", "axis", "instead"),
    [
        ((8, 3, 1, 1), [0, 1000], 0, "write 0 (its bottom has 3 there) or -1 (what is left) instead"),
        ((8, 3, 1, 1), [-1, 1000], 0, "write 0 (its bottom has 3 there) instead"),
        ((8, 3, 2, 2), [0, 1000], 0, "write -1 (what is left) instead"),
        ((8, 3, 1, 1), [1000], 1, "write 0 (its bottom has 3 there) or -1 (what is left) instead"),
        ((8, 3, 1, 1), [8, 1000, 1, 1], 0, "write 0 (its bottom has 3 there) or -1 (what is left) instead"),
        ((8, 3), [10, 1000], 0, "write 0 for a size that stays, -1 for one that is inferred"),
    ],
)
def test_the_old_number_of_classes_is_named(
    bottom: tuple[int, ...], dims: list[int], axis: int, instead: str
) -> None:
    """With what its bottom has there, and with -1 where none is there yet."""
    with pytest.raises(BadNetError, match=re.escape(instead)) as caught:
        _reshape(bottom, dims, axis)
    assert ("1000 is a size that is no more, such as the old number" in str(caught.value)) == (
        dims != [10, 1000]
    )


@given(
    bottom=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    dims=st.lists(st.integers(-1, 6), min_size=1, max_size=4),
    axis=st.integers(0, 2),
)
@settings(max_examples=300, deadline=None)
def test_what_is_to_be_written_fits(bottom: tuple[int, ...], dims: list[int], axis: int) -> None:
    """A shape is one of as many numbers, or refused; what the refusal says to write is then taken."""
    try:
        assert prod(_reshape(bottom, dims, axis)) == prod(bottom)
    except BadNetError as error:
        found = re.search(r"; (\d+) is a size that is no more, .* write (-1|0)", str(error))
        if found and dims.count(int(found[1])) == 1:
            dims[dims.index(int(found[1]))] = int(found[2])
            assert prod(_reshape(bottom, dims, axis)) == prod(bottom)
