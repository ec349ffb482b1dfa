"""YAML text to values: the types of YAML 1.2, every value's line, and nothing that fills the memory."""

import math
import time
from collections.abc import Callable

import pytest

from jobspec import SpecError
from jobspec.document import read_document
from jobspec.problems import Mark

COLON = "this ':' is not allowed here; align the line with its neighbours, and quote text that has a colon"
TEXT = (
    "this text is not part of any field; align the line with its neighbours, and quote text that has quotes"
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        (".inf", math.inf),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("true", True),
        ("~", None),
        ("", None),
        ("!!str 33", "33"),
        ("!!int '33'", 33),
    ],
)
def test_a_plain_value_has_the_type_of_yaml_1_2(text: str, value: object) -> None:
    """Numbers, booleans and nothing are what YAML 1.2's core schema says they are."""
    read = read_document(f"a: {text}", "spec.yaml").value["a"]

    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    ["no", "yes", "on", "off", "y", "2024-01-01", "1:30", "1_000", "0b1", "1e", ".", "=", "33%", "'1'"],
)
def test_what_yaml_1_1_would_turn_into_something_else_stays_text(text: str) -> None:
    """A net called `no` is not a boolean, a run called 2024-01-01 no date, 1:30 no 90."""
    assert read_document(f"a: {text}", "spec.yaml").value["a"] == text.strip("'")


def test_fields_names_are_text() -> None:
    """`on` and `1` are names where names stand."""
    assert read_document("on: 1\n1: 2\nnull: 3", "spec.yaml").value == {"on": 1, "1": 2, "null": 3}


def test_every_value_has_its_place() -> None:
    """A field is where its name stands, an item where it begins; what is unknown, where it would be."""
    document = read_document("a: 1\nb:\n  c: [x,\n    y]\n", "spec.yaml")

    assert document.mark(("b", "c")) == Mark(3, 3)
    assert document.mark(("b", "c", 1)) == Mark(4, 5)
    assert document.mark(("b", "d", "e")) == Mark(2, 1)
    assert document.mark(("d",)) is None


def test_a_field_that_stands_twice_is_refused_with_both_lines(problems: Callable[[str], list[str]]) -> None:
    """PyYAML would take the last one in silence."""
    text = "solver:\n  base_lr: 1\n  gamma: 2\n  base_lr: 3\n"

    assert problems(text) == [
        "spec.yaml:4: solver.base_lr: appears twice, in line 2 and here; remove one of them"
    ]


def test_merge_keys_give_way_to_own_fields() -> None:
    """`<<` takes over what a mapping does not say itself; of several merged ones the first counts."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], x: 3}\nd: {<<: *b}\n"
    value = read_document(text, "spec.yaml").value

    assert value["c"] == {"x": 3, "y": 1, "z": 2}
    assert value["d"] == {"y": 2, "z": 2}


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "a: &a {x: 1}\n"
        + "".join(
            f"{b}: &{b} {{<<: [{','.join(['*' + a] * 10)}]}}\n"
            for a, b in zip("abcdefg", "bcdefgh", strict=True)
        ),
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "[" * 900 + "]" * 900,
        "[" * 100_000,
    ],
    ids=[
        "laughs",
        "merged laughs",
        "itself in a list",
        "itself in a mapping",
        "itself merged",
        "deep",
        "deeper",
    ],
)
def test_nested_aliases_and_deep_lists_are_refused_at_once(text: str) -> None:
    """A few lines that stand for ten million values, or for themselves, end in a sentence within seconds."""
    begun = time.process_time()

    with pytest.raises(SpecError, match=r"no spec has|too deeply"):
        read_document(text, "spec.yaml")
    assert time.process_time() - begun < 20


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n\tb: 1", "2:1: a tab cannot indent; use spaces"),
        ("a: b: c", f"1:5: {COLON}"),
        ("a: 1\n b: 2", f"2:3: {COLON}"),
        ("a: 1\nfoo\nb: 2", "3:1: the line above has no ':'; write it as 'field: value'"),
        ("a: 'b\nc: 1", "1:4: the quote that opens here is never closed; close it"),
        ("a: [1, 2\nb: 3", "2:2: a ',' or the closing ] is missing before this"),
        ("a: {b: 1", "1:9: the file ends before the closing }; add it"),
        ("a: [1,,2]", "1:7: a value is missing before this ,; add it or remove the ,"),
        ("a: 1\n- b", "2:1: this line's indentation matches no other line; align it with its neighbours"),
        ("a: 'it's'", f"1:8: {TEXT}"),
        ("a: |x\n b", "1:5: after | or > the text begins on the next line; move it there"),
        ("a: @b", "1:4: text that begins with @ must be quoted"),
        ("a: & 1", "1:5: & and * need a name right after them; quote text that begins with one"),
        ("a: *b", "1:4: *b has no anchor; write &b before the value it refers to, further up"),
        ("a: &b 1\nc: &b 2", "2:4: there is an anchor of this name further up; give each its own name"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins here; a spec is one document: remove the ---"),
        ("a: 1\n...\nb", "3:1: nothing may follow the end of the document; remove it"),
        ('a: "\\q"', "1:6: \\q means nothing between double quotes; use single quotes"),
        ('a: "\\xZZ"', "1:7: this escape is incomplete; use single quotes for text with backslashes"),
        ("a: 1\nb: \x07", "2:4: the character U+0007 is not allowed in YAML; remove it"),
        ("%YAML 1.2\n%YAML 1.2\n---\na: 1", "2:1: is not YAML: found duplicate YAML directive"),
        ("a: !b 1", "1: a: the tag !b cannot be used; write plain values"),
        ("a: !!python/name:os 1", "1: a: the tag !!python/name:os cannot be used; write plain values"),
        ("a: !!int b", "1: a: the tag !!int cannot be used; write plain values"),
        ("a: {<<: 3}", "1: a: << merges mappings only; give it the *NAME of a mapping with an anchor"),
        ("? [a]\n: 1", "1:3: a field's name must be a word, not a list or mapping"),
        ("a: " + "9" * 5000, "1: a: is a number with more digits than a spec can hold"),
    ],
)
def test_what_is_no_yaml_is_refused_in_one_sentence(
    text: str, line: str, problems: Callable[[str], list[str]]
) -> None:
    """Line, column, what is wrong and what to do, in better words than the parser's own."""
    assert problems(text) == [f"spec.yaml:{line}"]
