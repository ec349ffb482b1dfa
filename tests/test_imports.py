"""What is imported, and by whom: start-up stays quick, and Caffe's own Python can read what it must run."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from ftjob.cli import app

ROOT = Path(__file__).parents[1]
CAFFE_PROCESS = ROOT / "ftjob" / "engine" / "caffe" / "process"
HEAVY = (
    "torch",
    "caffe",
    "boto3",
    "botocore",
    "obstore",
    "kubernetes",
    "matplotlib",
    "sklearn",
    "pandas",
    "scipy",
)
"""Slow to import, and needed by some verbs only."""


def verbs() -> Iterator[list[str]]:
    """Every verb of the command line, as it is typed."""
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from ([[name, each] for each in inner] if inner else [[name]])


def imported(code: str) -> set[str]:
    """The top-level modules that a fresh Python has after running some code, whatever it exits with."""
    ending = "finally:\n    import sys, json; print(json.dumps([m.split('.')[0] for m in sys.modules]))"
    code = "try:\n    " + code + "\nexcept SystemExit:\n    pass\n" + ending
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["jobspec", "ftjob", "ftjob.cli", "ftjob.api", "ftjob.plan.plan"])
def test_importing_a_module_leaves_heavy_ones_alone(module: str) -> None:
    """Neither the API nor the command line costs the seconds of libraries that most calls do not use."""
    assert imported(f"import {module}") & set(HEAVY) == set()


def test_no_verb_pays_for_another() -> None:
    """--help of every verb, and of all together, imports nothing heavy."""
    calls = [[], *verbs()]
    each = "ftjob.cli.app([*call, '--help'], standalone_mode=False)"

    assert len(calls) > 10
    assert imported(f"import ftjob.cli\n    for call in {calls!r}: {each}") & set(HEAVY) == set()


def test_the_spec_needs_pydantic_and_yaml_only() -> None:
    """Others may build specs without ftjob, numpy or a command line."""
    assert imported("import jobspec") & {"ftjob", "numpy", "typer", "rich", "google", "PIL", "lmdb"} == set()


def imports_of(path: Path) -> Iterator[str]:
    """The top-level modules a file imports when it runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checking = {id(inner) for node in ast.walk(tree) if is_type_checking(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in checking:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield (node.module or "").split(".")[0]


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is `if TYPE_CHECKING:`, or that `or __package__`, which a script has not."""
    if not isinstance(node, ast.If):
        return False
    test = node.test.values[0] if isinstance(node.test, ast.BoolOp) else node.test
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def test_what_runs_under_caffes_python_imports_what_that_has() -> None:
    """The standard library of Python 3.7, numpy and caffe; never ftjob, which that Python cannot read."""
    files = sorted(CAFFE_PROCESS.glob("*.py"))
    siblings = {path.stem for path in files}
    found = {(path.name, module) for path in files for module in imports_of(path)}

    assert files
    allowed = (sys.stdlib_module_names - {"tomllib", "zoneinfo", "graphlib"}) | {"numpy", "caffe"} | siblings
    assert {(name, module) for name, module in found if module not in allowed} == set()


def test_what_runs_under_caffes_python_is_written_in_python_3_7() -> None:
    """No walrus, no match, no positional-only parameters, no `except*`."""
    for path in CAFFE_PROCESS.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
