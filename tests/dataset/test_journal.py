"""sources.jsonl and the keys of records: what is written is read back, whatever the images are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.dataset.journal import Journal, JournalLine, read_lines
from ftjob.dataset.lmdb.records import KEY_BYTES, record_key
from ftjob.errors import BadDataError

NAMES = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))
"""What a file system gives: any text, with what is no UTF-8 as Python's half characters."""


@st.composite
def lines(draw: st.DrawFn) -> JournalLine:
    source, error = draw(NAMES), draw(NAMES)
    key = b"" if error else record_key(draw(st.integers(0, 10**8 - 1)), source)
    return JournalLine(
        split=draw(st.sampled_from(["train", "val"])),
        source=source,
        stamp=draw(NAMES),
        label=draw(st.integers(0, 10**6)),
        key=key.decode(errors="surrogateescape"),
        sha256=draw(NAMES),
        notes=tuple(draw(st.lists(NAMES, max_size=2))),
        error=error,
    )


@given(st.lists(lines(), max_size=4), st.lists(lines(), max_size=4))
def test_lines_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, kept: list[JournalLine], cut: list[JournalLine]
) -> None:
    """All of them, each once; those behind the checkpoint are gone when the build goes on."""
    path = tmp_path_factory.mktemp("journal") / "sources.jsonl"
    journal = Journal(path, 0)
    for line in kept:
        journal.add(line)
    size = journal.flush()
    for line in cut:
        journal.add(line)
    journal.close()
    assert list(read_lines(path)) == kept + cut

    Journal(path, size).close()

    assert list(read_lines(path)) == kept


@given(st.lists(st.integers(0, 10**8 - 1), min_size=2, max_size=2, unique=True), NAMES)
def test_keys_have_the_order_of_places(places: list[int], name: str) -> None:
    """Whatever the images are called, and however long; as text in sources.jsonl they are the same keys."""
    keys = [record_key(place, name) for place in sorted(places)]

    assert sorted(keys) == keys
    assert [int(key[:8]) for key in keys] == sorted(places)
    assert all(len(key) <= KEY_BYTES for key in keys)
    assert [key.decode(errors="surrogateescape").encode(errors="surrogateescape") for key in keys] == keys


@pytest.mark.parametrize("text", ["[]", "{}", "nul", '{"split": "train"}', "\0", '"' * 9, "[" * 100_000])
def test_a_line_that_is_none_is_a_sentence(tmp_path: Path, text: str) -> None:
    """With its number."""
    path = tmp_path / "sources.jsonl"
    path.write_text(f"{text}\n", encoding="utf-8")

    with pytest.raises(
        BadDataError, match=r"sources.jsonl: line 1 was not written by a build: remove .* build it again"
    ):
        list(read_lines(path))


def test_a_journal_that_is_no_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "sources.jsonl").symlink_to("/dev/zero")

    with pytest.raises(BadDataError, match="device"):
        list(read_lines(tmp_path / "sources.jsonl"))
