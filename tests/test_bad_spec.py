"""A spec with a mistake, through the program as its user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ftjob.errors import ExitCode

SPEC = """\
name: digits
base: {net: lenet}
data: {train: images, val_split: 0.25}
solver:
  max_iter: 10
output: runs
"""


@pytest.mark.parametrize(
    ("verb", "change", "sentence"),
    [
        (["plan"], ("max_iter", "max_itre"), "5: solver.max_itre: is not a field of solver; did you mean max_iter?\n"),
        (["submit", "--local"], ("base:", "bsae:"), "2: bsae: is not a field of a spec; did you mean base?\n"),
        (["submit", "--dry-run", "-o", "json"], ("10", "ten"), '5: solver.max_iter: must be a whole number, got "ten"\n'),
        (["submit", "--local", "--wait"], ("lenet}", "lenet"), "3:5: a ',' or the closing } is missing before this\n"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_and_exit_code_2(
    tmp_path: Path, verb: list[str], change: tuple[str, str], sentence: str
) -> None:
    """Reported on stderr with its line; nothing on stdout, no run folder, nothing started."""
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.replace(*change), encoding="utf-8")

    ended = subprocess.run([sys.executable, "-m", "ftjob", *verb, str(spec)], capture_output=True, text=True)

    assert ended.stderr == f"{spec}:{sentence}"
    assert (ended.returncode, ended.stdout) == (ExitCode.BAD_SPEC, "")
    assert list(tmp_path.iterdir()) == [spec]


def test_a_spec_that_is_not_there_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    """The path that was typed, and what to do."""
    command = [sys.executable, "-m", "ftjob", "submit", "--local", "missing.yaml"]

    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    assert ended.stderr == "missing.yaml: does not exist; name the spec's YAML file\n"
    assert ended.returncode == ExitCode.BAD_SPEC
