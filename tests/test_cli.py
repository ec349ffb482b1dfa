"""Laws of the command line itself; tests/e2e has the verbs at work."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
import yaml


def ftjob(*words: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    words = (sys.executable, "-m", "ftjob", *words)
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", ["stauts", "submit", "ls --wide", "engine install theano"])
def test_a_wrong_command_line_is_exit_code_2(tmp_path: Path, words: str):
    """A misspelt verb, a missing argument, an unknown option, an engine there is none of."""
    done = ftjob(*words.split(), folder=tmp_path)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_nothing_submitted_is_an_empty_list(tmp_path: Path):
    """`ls` on a new machine."""
    assert json.loads(ftjob("ls", "-o", "json", folder=tmp_path).stdout) == []


def test_the_schema_that_is_printed_takes_the_example(tmp_path: Path):
    """`ftjob schema` is a JSON Schema, and examples/spec.yaml is right by it."""
    schema = json.loads(ftjob("schema", folder=tmp_path).stdout)
    example = Path(__file__).parents[1] / "examples" / "spec.yaml"

    jsonschema.validate(yaml.safe_load(example.read_text(encoding="utf-8")), schema)


def test_the_version_is_that_of_the_package(tmp_path: Path):
    """What a report of a bug begins with."""
    done = ftjob("--version", folder=tmp_path)

    pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    assert (done.returncode, done.stdout) == (0, f"ftjob {pyproject['project']['version']}\n")
