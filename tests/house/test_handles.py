"""Laws of runs' handles: each verb is written once, for a run of this machine and for one on a cluster."""

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ftjob.client.cluster_run import ClusterRun
from ftjob.client.handle import RunHandle, SharedVerbs
from ftjob.client.local_run import Run
from tests.sources import tree_of

ROOT = Path(__file__).parents[2]
HANDLES = {"Run", "ClusterRun"}
MEMBERS = sorted(name for name in vars(RunHandle) if not name.startswith("_"))


def files() -> list[Path]:
    """Every module of the product."""
    return sorted((ROOT / "ftjob").rglob("*.py"))


@cache
def trees() -> dict[str, ast.Module]:
    """Every module, parsed, by its path."""
    return {path.relative_to(ROOT).as_posix(): tree_of(path) for path in files()}


def names_in(node: ast.AST) -> set[str]:
    """The last words of all names in an expression, those of quoted annotations among them."""
    found = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            found.add(each.id)
        elif isinstance(each, ast.Attribute):
            found.add(each.attr)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            try:
                found |= names_in(ast.parse(each.value, mode="eval"))
            except (SyntaxError, ValueError):
                continue
    return found


def dispatches(tree: ast.AST) -> Iterator[int]:
    """Lines that ask which class a handle is of, or allow for either."""
    for node in ast.walk(tree):
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if called in ("isinstance", "issubclass", "hasattr") and names_in(node) & HANDLES:
            yield node.lineno
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and names_in(node) >= HANDLES:
            yield node.lineno
        quoted = isinstance(node, ast.Constant) and isinstance(node.value, str) and " | " in node.value
        if quoted and names_in(node) >= HANDLES:
            yield node.lineno
        if isinstance(node, ast.MatchClass) and names_in(node.cls) & HANDLES:
            yield node.lineno


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(run, Run)",
        "x: Run | ClusterRun",
        'x: "api.Run | ClusterRun | None"',
        "isinstance(r, (Run, int))",
    ],
)
def test_a_dispatch_on_handles_is_found(code: str):
    assert list(dispatches(ast.parse(code)))


def test_nobody_asks_which_handle_it_is():
    assert [f"{path}:{line}" for path, tree in trees().items() for line in dispatches(tree)] == []


def test_only_storage_distinguishes_uris_from_paths():
    rooms = {path.relative_to(ROOT / "ftjob").parts[0] for path in files() if "is_remote" in path.read_text()}

    assert rooms == {"storage"}


def test_a_cluster_runs_address_is_written_in_one_place():
    found = {
        path
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value == "ftj://"
    }

    assert found == {"ftjob/runfolder/address.py"}


@pytest.mark.parametrize("handle", [Run, ClusterRun])
@pytest.mark.parametrize("member", MEMBERS)
def test_every_handle_has_every_verb(handle: type, member: str):
    """With the parameters of the protocol, so that it can be called without knowing which it is."""
    asked, made = vars(RunHandle)[member], inspect.getattr_static(handle, member, None)
    if isinstance(asked, property):
        assert made is not None or member in inspect.get_annotations(handle)
        return
    wanted, given = (list(inspect.signature(each).parameters.values()) for each in (asked, made))

    assert [(each.name, each.kind, each.default) for each in given] == [
        (each.name, each.kind, each.default) for each in wanted
    ]


def test_what_is_shared_is_not_written_again():
    """But where a run of this machine leaves out the status that its own submitter wrote."""
    shared = {name for name in vars(SharedVerbs) if not name.startswith("_")}

    assert shared <= set(MEMBERS)
    assert {name for name in shared if name in vars(Run)} == {"follow"}
    assert {name for name in shared if name in vars(ClusterRun)} == set()
