"""What is imported, and by whom: start-up stays quick, and Caffe's own Python can read what it must run."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

import ftjob
from ftjob import api
from ftjob.cli.app import app
from tests.sources import nodes_of

ROOT = Path(__file__).parents[1]
CAFFE_PACKAGES = ("ftjob.engine.process", "ftjob.engine.caffe.process")
CAFFE_MODULES = ("ftjob.protowire", "ftjob.fs.flock")
"""What runs under Caffe's own Python."""
HEAVY = (
    "torch",
    "caffe",
    "awscrt",
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
    ending = (
        "finally:\n    import sys, json\n    there = [name for name in sys.modules if sys.modules[name]]\n"
    )
    ending += "    print(json.dumps([name.split('.')[0] for name in there]))"
    code = "try:\n    " + code + "\nexcept SystemExit:\n    pass\n" + ending
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["jobspec", "ftjob", "ftjob.cli.app", "ftjob.api", "ftjob.plan.plan"])
def test_importing_a_module_leaves_heavy_ones_alone(module: str) -> None:
    """Neither the API nor the command line costs the seconds of libraries that most calls do not use."""
    assert imported(f"import {module}") & set(HEAVY) == set()


def test_the_package_alone_is_light_and_has_the_api() -> None:
    """Processes that need one module of ftjob start without the rest; what is asked for is there."""
    assert imported("import ftjob") & {"jobspec", "pydantic", "yaml", "numpy", "psutil", "tempfile"} == set()
    assert "tempfile" in imported("import ftjob; ftjob.submit")


def test_counting_processors_loads_next_to_nothing() -> None:
    """Plans and datasets count them before they begin."""
    loaded = imported("from ftjob.concurrency import processors; processors.share()")

    assert loaded & {"jobspec", "pydantic", "numpy", "psutil", "subprocess", "tempfile"} == set()
    assert {name: getattr(ftjob, name) for name in ftjob.__all__} == {
        name: getattr(api, name)
        for name in ("Run", "classify", "export", "find", "list_runs", "submit", "verify")
    }


def test_no_verb_pays_for_another() -> None:
    """--help of every verb, and of all together, imports nothing heavy."""
    calls = [[], *verbs()]
    each = "ftjob.cli.app.app([*call, '--help'], standalone_mode=False)"

    assert len(calls) > 10
    assert imported(f"import ftjob.cli.app\n    for call in {calls!r}: {each}") & set(HEAVY) == set()


def test_the_spec_needs_pydantic_and_yaml_only() -> None:
    """Others may build specs without ftjob, numpy or a command line."""
    assert imported("import jobspec") & {"ftjob", "numpy", "typer", "rich", "google", "PIL", "lmdb"} == set()


def caffes_files() -> list[Path]:
    """Every file that runs under Caffe's own Python."""
    files = [path for package in CAFFE_PACKAGES for path in (ROOT / package.replace(".", "/")).rglob("*.py")]
    files += [ROOT / f"{module.replace('.', '/')}.py" for module in CAFFE_MODULES]
    assert {"wire.py", "server.py", "protowire.py"} <= {path.name for path in files}
    return files


def imports_of(path: Path) -> Iterator[str]:
    """All that a file imports, by its whole name."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_caffes(name: str) -> bool:
    """Whether Caffe's own Python can import something of that name."""
    newer = {"tomllib", "zoneinfo", "graphlib"}
    if name.startswith(tuple(f"{package}." for package in CAFFE_PACKAGES)):
        return True
    if name in CAFFE_MODULES:
        return True
    return name.split(".")[0] in (sys.stdlib_module_names - newer) | {"numpy", "caffe"}


def test_what_runs_under_caffes_python_imports_what_that_has() -> None:
    """The standard library of Python 3.7, numpy, caffe and itself; nothing else of ftjob, which is newer."""
    found = {(path.name, name) for path in caffes_files() for name in imports_of(path)}

    assert {(file, name) for file, name in found if not is_caffes(name)} == set()


def test_what_runs_under_caffes_python_is_written_in_python_3_7() -> None:
    """No walrus, no match, no positional-only parameters, no `except*`."""
    for path in caffes_files():
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 7))
