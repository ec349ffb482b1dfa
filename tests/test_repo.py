"""The tree itself: sizes, generated files, the lock, and nothing in it that belongs to one machine."""

import ast
import configparser
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from tests.sources import nodes_of

ROOT = Path(__file__).parents[1]
PROTO = "ftjob/net/proto/caffe.proto"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def tracked() -> list[Path]:
    """Every file of the repository, as git lists them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def python_files() -> list[Path]:
    """Every Python file that a person wrote."""
    return [path for path in tracked() if path.suffix == ".py" and not path.name.endswith("_pb2.py")]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """The functions of a file, each with its lines from `def` to its end."""
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}: {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_file_is_too_long_to_read() -> None:
    """400 lines at most, in source and tests alike."""
    lines = {path.relative_to(ROOT): path.read_text(encoding="utf-8").count("\n") for path in python_files()}

    assert {str(path): count for path, count in lines.items() if count > MAX_FILE_LINES} == {}


def test_no_function_is_too_long_to_read() -> None:
    """60 lines at most."""
    found = [each for path in python_files() for each in functions(path)]

    assert len(found) > 100
    assert [(name, lines) for name, lines in found if lines > MAX_FUNCTION_LINES] == []


def test_no_module_is_named_after_nothing() -> None:
    """A module is called what it does, so that one knows what goes in."""
    nothing = {"utils", "helpers", "common", "base", "manager", "core"}

    assert [str(path.relative_to(ROOT)) for path in python_files() if path.stem in nothing] == []


def test_the_generated_messages_are_current(tmp_path: Path) -> None:
    """caffe_pb2 is what protoc makes of caffe.proto; `make proto` writes it."""
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I.",
        f"--python_out={tmp_path}",
        f"--pyi_out={tmp_path}",
    ]
    subprocess.run([*command, PROTO], cwd=ROOT, check=True)

    for name in ("caffe_pb2.py", "caffe_pb2.pyi"):
        made, kept = (folder / Path(PROTO).with_name(name) for folder in (tmp_path, ROOT))
        assert made.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), "run `make proto`"


def locked() -> dict[str, Version]:
    """The versions of requirements.lock by package."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {name.lower(): Version(version) for name, version in found}


def direct() -> list[str]:
    """Every dependency that pyproject.toml names, for running and for developing; an extra is not locked."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [
        each for group in project["dependency-groups"].values() for each in group if isinstance(each, str)
    ]
    return [*project["project"]["dependencies"], *groups]


@pytest.mark.parametrize("requirement", direct())
def test_every_dependency_is_locked(requirement: str) -> None:
    """At a version that pyproject.toml allows; `make lock` writes the lock."""
    wanted = Requirement(requirement)

    assert wanted.specifier.contains(locked()[wanted.name.lower()])
    assert any(each.operator in (">=", "==", "~=") for each in wanted.specifier), "a lower bound is missing"


def test_every_locked_package_has_its_hashes() -> None:
    """What is installed is what was locked."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9_.-]+==)", text, flags=re.MULTILINE)[1:]

    assert [entry.split("==")[0] for entry in entries if "--hash=sha256:" not in entry] == []


def registries() -> set[str]:
    """Hosts that packages come from: the public ones, and those this machine is set up with."""
    hosts = {".".join(parts) for parts in (("pypi", "org"), ("files", "pythonhosted", "org"))}
    urls = [value for name, value in os.environ.items() if re.search(r"INDEX|FIND_LINKS|TRUSTED_HOST", name)]
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read(
        [os.environ.get("PIP_CONFIG_FILE", ""), "/etc/pip.conf", Path.home() / ".config/pip/pip.conf"]
    )
    urls += [value for section in config.sections() for value in config[section].values()]
    found = {urlsplit(word).hostname for url in urls for word in url.split()}
    return (hosts | {host for host in found if host}) - {"localhost", "127.0.0.1"}


def places() -> set[str]:
    """Paths that are this machine's own: the checkout, what lies beside it, the user's home."""
    beside = set() if str(ROOT.parent) == tempfile.gettempdir() else set(ROOT.parent.iterdir())
    return {str(path) for path in {ROOT, Path.home()} | beside if len(path.parts) > 2}


def test_nothing_belongs_to_one_machine() -> None:
    """No tracked file names this checkout, what lies beside it, somebody's home or a package registry."""
    private = re.compile("|".join(rf"{re.escape(name)}(?![\w-])" for name in places() | registries()))
    texts = {str(path.relative_to(ROOT)): path.read_bytes().decode("utf-8", "replace") for path in tracked()}

    assert {name: found[0] for name, text in texts.items() if (found := private.search(text))} == {}


def test_no_binary_is_tracked() -> None:
    """Nets, images and weights are made by code; git keeps text, and the pictures that docs show."""
    binary = [path.relative_to(ROOT) for path in tracked() if b"\0" in path.read_bytes()[:8192]]

    assert [str(path) for path in binary if not path.match("docs/pictures/*.png")] == []


def test_ci_runs_what_people_run() -> None:
    """.ci/run can be executed and calls `make test`; the workflow calls it."""
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_hooks_before_a_commit_are_the_lint_of_this_venv() -> None:
    """They fetch nothing, and run what `make lint` runs."""
    [repo] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    programs = [hook["entry"].split()[0] for hook in repo["hooks"]]
    [lint] = re.findall(r"^lint:.*(?:\n\t.*)*", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert repo["repo"] == "local"
    assert {hook["language"] for hook in repo["hooks"]} == {"system"}
    assert {program.replace(".venv/bin", "$(BIN)") for program in programs} <= set(lint.split())


def test_actions_are_pinned_to_a_version_and_may_only_read() -> None:
    """What runs in CI does not change by itself, and cannot write."""
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        text = workflow.read_text(encoding="utf-8")
        used = re.findall(r"uses: *(\S+)", text)
        assert [each for each in used if not re.search(r"@(v\d+\.\d+\.\d+|[0-9a-f]{40})$", each)] == []
        assert re.search(r"^permissions:\n  contents: read\n(?! )", text, re.MULTILINE)
