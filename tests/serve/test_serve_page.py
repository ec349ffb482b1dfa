"""docs/serve.md: its examples are run against a server, its limits are the program's."""

import io
import json
import re
import shlex
import shutil
import subprocess
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ftjob.dataset.image.pixels import LONGEST_SIDE
from ftjob.serve.running import Listening
from ftjob.serve.service import Limits
from ftjob.web.connection import Patience
from ftjob.web.server import ServerOptions
from tests.serve.conftest import Address

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
CALLS = re.findall(r"\$ (curl .+)\n(.+)", PAGE)
[PYTHON] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder with a picture of that name."""
    shutil.copy(made / "golden" / "00.png", tmp_path / "seven.png")
    monkeypatch.chdir(tmp_path)


def form_of(value: Any) -> Any:
    """Return what a document is made of, without its numbers and classes."""
    if isinstance(value, dict):
        return {name: form_of(each) for name, each in value.items()}
    return [form_of(each) for each in value] if isinstance(value, list) else type(value)


@pytest.mark.torch
@pytest.mark.parametrize(("command", "answer"), CALLS)
def test_a_call_is_answered_as_shown(here: None, server: Address, command: str, answer: str) -> None:
    """With the same fields."""
    called = command.replace("localhost:8000", f"{server[0]}:{server[1]}")
    done = subprocess.run([*shlex.split(called), "--silent"], capture_output=True, text=True, check=True)
    assert form_of(json.loads(done.stdout)) == form_of(json.loads(answer))


@pytest.mark.torch
def test_the_program_runs(here: None, server: Address) -> None:
    """It prints a label and its probabilities."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(PYTHON.replace("localhost:8000", f"{server[0]}:{server[1]}"), {})
    assert re.fullmatch(r"\[b'\d'\] \[\[[^\]]+\]\]\n", printed.getvalue())


def test_the_limits_are_the_programs() -> None:
    """Each number of the table."""
    limits, patience = Limits(), Patience()
    for text in (
        f"| {limits.pixels // 10**6} million |",
        f"| {LONGEST_SIDE:,} |",
        f"| {limits.images} |",
        f"| {ServerOptions().connections:,} |",
        f"| {patience.head_seconds:.0f} s |",
        f"| {patience.body_seconds:.0f} s, and on while {patience.bytes_per_second // 1000} kB",
        f"for up to {ServerOptions().drain_seconds} seconds",
        f"`--linger` seconds ({Listening().linger_seconds:.0f})",
    ):
        assert text in PAGE
