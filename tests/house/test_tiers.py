"""Laws of the tiers: a test has a marker for each thing it needs; `make check` runs what needs none."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ftjob.engine.caffe.installed import find_caffe, has_caffe
from ftjob.engine.open import resolve
from ftjob.engine.torch.installed import has_torch
from ftjob.errors import EngineError
from tests.conftest import MACHINE_CACHE
from tests.tiers import NEEDS, needs_of

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
STARTS = {
    "caffe": [MACHINE_CACHE / "engines" / "caffe" / "bin" / "caffe"],
    "torch": [sys.executable, "-P", "-m", "ftjob.engine.torch.process"],
    "store": [sys.executable, "-m", "tests.storage.swift_server"],
    "cluster": ["kubectl", "version"],
    "browser": ["chromium", "--headless"],
    "mlflow": ["/ftjob/.cache/mlflow/bin/mlflow", "server"],
    "root": ["mount"],
}


def recipe(target: str) -> str:
    """The lines of a target of the Makefile, with its prerequisites."""
    return re.findall(rf"^{target}:.*(?:\n\t.*)*", MAKEFILE, re.M)[0]


def test_every_need_is_a_marker() -> None:
    """With the words of tests/tiers.py."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = dict(each.split(": ", 1) for each in project["tool"]["pytest"]["ini_options"]["markers"])

    assert {name: declared.get(name) for name in NEEDS} == {name: f"needs {it}" for name, it in NEEDS.items()}


def test_check_runs_all_that_needs_nothing_and_test_runs_the_rest() -> None:
    """`make check` leaves out what has a need or is slow, and no more; it asks for `make setup` alone."""
    [left_out] = re.findall(r"^NEEDS +:= (.*)$", MAKEFILE, re.M)

    assert left_out.split(" or ") == list(NEEDS)
    assert '-m "not (slow or $(NEEDS))"' in recipe("check")
    assert recipe("check").startswith("check: setup lint\n")
    assert recipe("lint").startswith("lint: setup\n")
    brought = ["setup", "bed", "lint", "engine", "torch", "mlflow"]
    assert recipe("test").splitlines()[0].split() == ["test:", *brought]
    assert not re.search(r" -k | --(ignore|deselect)", recipe("test"))


def test_what_test_leaves_out_has_a_target_of_its_own() -> None:
    """`make test` leaves out the needs of APART, and no more; each has a target that runs its tests."""
    [apart] = re.findall(r"^APART +:= ([^#\n]*)", MAKEFILE, re.M)

    assert re.findall(r" -m (.*) \$\(T\)", recipe("test")) == ['"not ($(APART))"']
    for need in apart.split(" or "):
        assert need in NEEDS
        assert f" -m {need} $(T)" in recipe(f"test-{need}")


@pytest.mark.parametrize("need", NEEDS)
def test_without_its_marker_a_test_starts_nothing(need: str, request: pytest.FixtureRequest) -> None:
    """It fails, and the sentence names the marker."""
    assert needs_of(request.node) == set()

    with pytest.raises(pytest.fail.Exception, match=f"lacks the marker `{need}`"):
        subprocess.run(STARTS[need], check=False)


def test_without_its_marker_a_test_finds_no_engine() -> None:
    """Not even in a program that it starts."""
    assert (has_caffe(), has_torch()) == (False, False)
    with pytest.raises(EngineError, match="not installed"):
        find_caffe()
    with pytest.raises(EngineError, match="neither Caffe nor PyTorch"):
        resolve("auto")
    code = "from ftjob.engine.open import resolve; resolve('auto')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "neither Caffe nor PyTorch" in done.stderr


@pytest.mark.caffe
def test_with_its_marker_a_test_has_caffe() -> None:
    """And its programs run."""
    assert subprocess.run([find_caffe().program("caffe"), "-version"], check=False).returncode == 0


@pytest.mark.torch
def test_with_its_marker_a_test_has_pytorch() -> None:
    """And so have the programs it starts."""
    assert has_torch()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
