"""Files to specs: whatever the file is, a spec or a sentence."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobspec import JobSpec, SpecError, dump_spec, load_spec, parse_spec

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples" / "spec.yaml").read_text(encoding="utf-8")


letters = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)


def spec_or_lines(text: str) -> JobSpec | list[str]:
    try:
        return parse_spec(text, "spec.yaml")
    except SpecError as error:
        return str(error).splitlines()


def refused(path: Path) -> str:
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    return str(caught.value).removeprefix(str(path))


def test_the_example_is_a_spec() -> None:
    """What the documentation shows is taken as it stands, with what it says."""
    spec = load_spec(ROOT / "examples" / "spec.yaml")

    assert (spec.name, spec.solver.stepsize, spec.budget.usd) == ("emotions", "33%", 4.0)


def test_the_least_spec_has_defaults_for_the_rest(least: str) -> None:
    """Name, base, data and output are enough."""
    spec = parse_spec(least, "spec.yaml")

    assert (spec.engine, spec.resources.node, spec.surgery.heads) == ("auto", "local", "auto")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path, least: str) -> None:
    """Editors on Windows write one."""
    (tmp_path / "spec.yaml").write_text(least.replace("\n", "\r\n"), encoding="utf-8-sig", newline="")

    assert load_spec(tmp_path / "spec.yaml").name == "emotions"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", ": the file is empty; a spec has at least name, base, data and output (see docs/spec.md)"),
        (b"# a\n", ": the file is empty; a spec has at least name, base, data and output (see docs/spec.md)"),
        (b"- a\n", ":1: must be fields such as 'name: emotions', got [\"a\"]"),
        (b"name: a\nb: \xfc", ":2: the byte 0xfc is not UTF-8; save the file as UTF-8"),
        (b"a" * 300_000, ": has more than 262144 bytes, so it is not a spec; name the YAML file"),
    ],
    ids=["empty", "comment", "list", "latin-1", "large"],
)
def test_a_file_that_is_no_spec_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    """Each is one sentence that says what to do."""
    (tmp_path / "spec.yaml").write_bytes(content)

    assert refused(tmp_path / "spec.yaml") == sentence


def test_a_path_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A file that is not there, a folder, a file where a folder should be."""
    (tmp_path / "file").touch()

    assert refused(tmp_path / "missing.yaml") == ": does not exist; name the spec's YAML file"
    assert refused(tmp_path) == ": is a folder; name the spec's YAML file in it"
    assert "cannot be read (Not a directory); fix the path" in refused(tmp_path / "file" / "spec.yaml")


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A device would give bytes without an end, and a pipe that nobody writes to none."""
    os.mkfifo(tmp_path / "pipe")

    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        assert refused(path) == ": is a pipe or device, not a file; name the spec's YAML file"


def test_a_text_with_thousands_of_problems_is_refused_in_some_lines(
    problems: Callable[[str], list[str]],
) -> None:
    """Fifty of them, and how many more there are."""
    lines = problems("a: 1\n" * 5000)

    assert (len(lines), lines[0]) == (
        51,
        "spec.yaml:2: a: appears twice, in line 1 and here; remove one of them",
    )
    assert lines[-1] == "spec.yaml: has 4949 more problems; fix these first"


def test_problems_have_field_line_and_column_for_tools(least: str) -> None:
    """An editor can point at what is wrong."""
    with pytest.raises(SpecError) as caught:
        parse_spec(least + "solver: {base_lr: -1}\n", "spec.yaml")

    (problem,) = caught.value.problems
    assert (problem.field, problem.line, problem.column) == ("solver.base_lr", 5, 10)


def test_problems_are_reported_in_the_order_of_the_lines(problems: Callable[[str], list[str]]) -> None:
    """All at once, so that a spec is mended in one go."""
    text = "name: A B\nsolver: {gamma: x, base_lr: 0}\nbase: {net: x}\ndata: {train: x, val: y}\noutput: r"

    assert [line.split(": ")[1] for line in problems(text)] == ["name", "solver.gamma", "solver.base_lr"]


@settings(max_examples=300, deadline=None)
@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=80)
    | st.text("a:{}[],&*!|>'\"%@#-? \n\t", max_size=60)
)
def test_any_text_is_a_spec_or_a_sentence(text: str) -> None:
    """No text gets anything but a spec or a SpecError out of the reader."""
    with pytest.raises(SpecError):
        parse_spec(text, "spec.yaml")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_change_of_the_example_is_a_spec_or_a_sentence(data: st.DataObject) -> None:
    """Letters lost or replaced give a spec that can be written, or lines that begin with the file."""
    begin = data.draw(st.integers(0, len(EXAMPLE)))
    end = data.draw(st.integers(begin, min(begin + 40, len(EXAMPLE))))
    put = data.draw(letters | st.sampled_from(EXAMPLE.split()))
    changed = EXAMPLE[:begin] + put + EXAMPLE[end:]

    result = spec_or_lines(changed)
    if isinstance(result, JobSpec):
        assert parse_spec(dump_spec(result), "again") == result
    else:
        assert all(line.startswith("spec.yaml") for line in result)
