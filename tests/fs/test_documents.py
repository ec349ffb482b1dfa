"""Whatever is put in a document's place: the values, or one clause; no wait, no traceback, no gigabytes."""

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.fs.documents import (
    LONGEST_LINE,
    UnreadableError,
    parse_as,
    parse_json,
    parse_strictly,
    read_as,
    read_bytes,
    read_ends,
    read_json,
    read_lines,
)
from ftjob.runfolder.records.evaluation import ClassResult

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@dataclass(frozen=True)
class Point:
    x: int
    y: float = 0.0


@given(VALUES)
def test_what_json_writes_is_read(values: object) -> None:
    assert parse_json(json.dumps(values).encode(), deepest=100) == values


@given(st.binary() | st.text().map(str.encode) | VALUES.map(lambda each: json.dumps(each).encode()[:-1]))
def test_other_bytes_are_values_or_one_clause(data: bytes) -> None:
    clause = ""
    try:
        parse_json(data)
    except UnreadableError as error:
        clause = str(error)
    assert clause.isprintable()
    assert len(clause) < 200


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"[" * 100_000, "is nested deeper than 32"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "is nested deeper than 32"),
        (b'{"x": NaN}', "has NaN instead of a number"),
        (b"[1e999]", None),
        (b'{"x": 1,}', "is no JSON (line 1)"),
        (b"\xff", "is no JSON"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, clause: str | None) -> None:
    if clause is None:
        assert parse_json(data) == [float("inf")]  # a number as JSON has it: the schema says what is finite
        return
    with pytest.raises(UnreadableError) as caught:
        parse_json(data)
    assert str(caught.value) == clause


def test_brackets_in_texts_are_no_depth() -> None:
    assert parse_json(json.dumps(["[{" * 100, '\\"[' * 50]).encode()) == ["[{" * 100, '\\"[' * 50]


def test_texts_without_an_end_are_passed_once() -> None:
    """A quote in each of them would begin another; 40 kB took five seconds, and these would take an hour."""
    with pytest.raises(UnreadableError, match="is no JSON"):
        parse_json(b'"' + b'\\"' * 1_000_000)


def test_a_schema_names_the_field(tmp_path: Path) -> None:
    (tmp_path / "point").write_text('{"x": 3}')
    assert read_as(Point, tmp_path / "point") == Point(3)
    for data in (b"[]", b"null", b'{"x": "a"}', b"{}", b'{"x": 1, "y": {}}'):
        with pytest.raises(UnreadableError, match=r"x|y|the whole"):
            parse_as(Point, data)


@pytest.mark.parametrize(
    "data", ['{"x": "3"}', '{"x": 3.0}', '{"x": true}', '{"x": 3, "z": NaN}', '{"x": null}']
)
def test_nothing_is_converted(data: str) -> None:
    """But integers to floats; fields without a name in the schema are passed over, if they are JSON."""
    assert parse_strictly(Point, b'{"x": 3, "y": 2, "z": [4]}') == Point(3, 2.0)
    with pytest.raises(UnreadableError):
        parse_strictly(Point, data.encode())


def test_names_that_are_no_text_are_read() -> None:
    """A class is called as its folder is, whatever bytes that has."""
    values = {"label": 0, "name": os.fsdecode(b"caf\xe9"), "images": 1, "recall": None, "precision": None}

    assert vars(parse_strictly(ClassResult, json.dumps(values).encode())) == values


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, clause in (("pipe", "a pipe"), ("folder", "a folder")):
        with pytest.raises(UnreadableError, match=f"is {clause}, not a file"):
            read_json(tmp_path / name)
    with pytest.raises(UnreadableError, match="is a device"):
        read_json(Path("/dev/zero"))
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "nothing")


def test_size_is_asked_before_anything_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10**12)
    with pytest.raises(UnreadableError, match="has 1,000,000,000,000 bytes, and at most 10 are read"):
        read_bytes(tmp_path / "huge", largest=10)


def test_a_line_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    """A reader never trips over the writer's last, unfinished line."""
    path = tmp_path / "points.jsonl"
    path.write_text('{"x": 1}\n{"x": 2, "y"')

    assert list(read_lines(Point, path)) == [Point(1)]
    assert list(read_lines(Point, tmp_path / "none")) == []


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        ('{"x": 1}\n{"x": 2,\n{"x": 3}\n', "line 2: is no JSON"),
        ('{"x": 1}\n\n', "line 2: is no JSON"),
        ('{"x": "one"}\n', "line 1: x: "),
        (" " * (LONGEST_LINE + 1), "line 1 has more than 1,048,576 bytes"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, text: str, clause: str) -> None:
    path = tmp_path / "points.jsonl"
    path.write_text(text)

    with pytest.raises(UnreadableError) as caught:
        list(read_lines(Point, path))
    assert str(caught.value).startswith(clause)


@given(st.binary(max_size=40), st.integers(0, 8), st.integers(1, 8))
def test_a_document_is_given_whole_or_by_its_ends(data: bytes, head: int, tail: int) -> None:
    """The end begins at an even byte, as letters of UTF-16 do."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        first, last = read_ends(Path(file.name), head, tail)

    if len(data) <= head + tail:
        assert (first, last) == (data, b"")
    else:
        begin = (len(data) - tail) // 2 * 2
        assert (first, last) == (data[:head], data[begin:][:tail])
