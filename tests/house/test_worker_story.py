"""The worker reads as a story: short, wired when it is built, told of its surroundings once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftjob import worker

ROOM = Path(worker.__file__).parent
MODULES = sorted(ROOM.rglob("*.py"))
LONGEST = 90


def targets(node: ast.AST) -> Iterator[ast.expr]:
    """What a statement assigns to."""
    if isinstance(node, ast.Assign):
        yield from node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield node.target


def wired_from_outside(source: str) -> list[str]:
    """Assignments to attributes of anything but the object itself, those within tuples included."""
    found = []
    for statement in ast.walk(ast.parse(source)):
        for target in targets(statement):
            for node in ast.walk(target):
                is_stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                if is_stored and ast.unparse(node.value) not in ("self", "cls"):  # type: ignore[attr-defined]
                    found.append(ast.unparse(node))
    return found


def reads_environment(source: str) -> bool:
    """Whether a module takes anything from os.environ, by whatever way of importing it."""
    names = {
        *(node.attr for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)),
        *(node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.alias)),
    }
    return bool(names & {"environ", "environb", "getenv", "getenvb"})


def test_an_attempt_is_a_story_of_one_page() -> None:
    """What needs more room has a module that names it."""
    assert (ROOM / "attempt.py").read_text().count("\n") <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOM)))
def test_nothing_is_wired_after_it_was_built(path: Path) -> None:
    """Constructors take what they need; who changes later is asked by a method."""
    assert wired_from_outside(path.read_text()) == []


def test_the_environment_is_read_in_one_module() -> None:
    """What a pod knows of its past is handed on from there."""
    readers = [str(path.relative_to(ROOM)) for path in MODULES if reads_environment(path.read_text())]

    assert readers == ["pod/context.py"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("home.saver.saved = recorder.saved", ["home.saver.saved"]),
        ("self.saver.complete = []", ["self.saver.complete"]),
        ("(report.owner, run_id), self.x = 1, 2", ["report.owner"]),
        ("report.status: int = 3", ["report.status"]),
        ("training.tests += 1", ["training.tests"]),
        ("self.status = cls.table = 1", []),
        ("home.found[0] = 1", []),
    ],
)
def test_the_law_sees_what_it_forbids(source: str, found: list[str]) -> None:
    """As each was written in this package once, or could be."""
    assert wired_from_outside(source) == found
