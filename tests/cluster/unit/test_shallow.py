"""JSON however deep: what is not deeper than is read comes as it is, the rest is null."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.cluster.controller.cache import shallow
from ftjob.cluster.controller.cache.shallow import DEEPEST, cut, read_shallow

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\[]{}\n\u2028é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"[{\\'), inner, max_size=3),
    max_leaves=30,
)


def without(value: Any, depth: int) -> Any:
    """A value with null in the place of what is deeper."""
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        return None
    if isinstance(value, list):
        return [without(each, depth - 1) for each in value]
    return {key: without(each, depth - 1) for key, each in value.items()}


@given(VALUES, st.integers(1, 4), st.booleans())
def test_what_is_too_deep_is_null_and_nothing_else(value: Any, deepest: int, ascii: bool) -> None:  # noqa: A002
    """Brackets, quotes and backslashes in texts count for nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shallow, "DEEPEST", deepest)
        found = json.loads(cut(json.dumps(value, ensure_ascii=ascii).encode()))

    assert found == without(value, deepest)


@pytest.mark.parametrize("levels", [DEEPEST, DEEPEST + 1, 199, 230, 100_000])
def test_any_depth_is_read(levels: int) -> None:
    """What parsers take, and what ends them."""
    data = b'{"a":' * levels + b"1" + b"}" * levels

    assert read_shallow(b'[%s,"after"]' % data)[1] == "after"


def test_what_is_no_json_is_refused() -> None:
    """Deep or not."""
    for data in (b"{", b"[" * 1000, b"<html>"):
        with pytest.raises(ValueError, match="line"):
            read_shallow(data)
