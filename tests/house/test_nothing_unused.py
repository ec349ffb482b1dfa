"""Law: every function, method, class and constant of product code is used by product code, a tool, a
benchmark or an example. A use by tests alone is none: what only they need stands among them."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.sources import tree_of

ROOT = Path(__file__).parents[2]
PRODUCT = ("ftjob", "jobspec")
USERS = (*PRODUCT, "tools", "benchmarks", "examples")
GENERATED = "_pb2.py"
CALLED_BY_LIBRARIES = {
    "connection_lost": "asyncio calls it where a connection ends",
    "data_received": "asyncio calls it for bytes that arrived",
    "do_GET": "http.server calls it for a GET",
    "handle_error": "socketserver calls it where a request failed",
    "handle_exit": "uvicorn calls it for a signal",
    "log_message": "http.server calls it for a line of its log",
    "on_broken_pipe": "rich calls it where nobody reads the output",
    "pause_writing": "asyncio calls it where a client does not read",
}
REGISTERS = re.compile(r"\.(command|callback)\(|^(model|field)_validator\(")
"""Decorators by which typer and pydantic come to know a function."""

Functions = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Uses:
    """What some modules refer to."""

    names: set[tuple[str, str]] = field(default_factory=set)
    """Module and name: imported, or read in that very module outside of its own definition."""
    attributes: set[str] = field(default_factory=set)
    """After a dot, whatever it belongs to; and strings that are one name, by which commands are called."""

    def read(self, module: str, tree: ast.Module, modules: set[str]) -> None:
        """Take note of what a module refers to."""
        aliases = dict(self._imports(tree, modules))
        for statement in tree.body:
            self._names(module, statement)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self.attributes.add(node.attr)
                origin = aliases.get(ast.unparse(node.value))
                if origin:
                    self.names.add((origin, node.attr))

    def _imports(self, tree: ast.Module, modules: set[str]) -> Iterator[tuple[str, str]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((each.asname or each.name, each.name) for each in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    whole = f"{node.module}.{each.name}"
                    if whole in modules:
                        yield each.asname or each.name, whole
                    self.names.add((node.module, each.name))

    def _names(self, module: str, statement: ast.stmt) -> None:
        own = getattr(statement, "name", None)
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id != own:
                self.names.add((module, node.id))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value.isidentifier():
                    self.attributes.add(node.value)
                for part in _annotation(node.value):
                    if part != own:
                        self.names.add((module, part))


def _annotation(text: str) -> set[str]:
    """The names in a string, where that may be a type in quotes."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError):
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unused(root: Path) -> list[str]:
    """The definitions below a folder that nothing there uses, as `module.name` or `module.Class.name`."""
    trees = {
        module_name(path.relative_to(root)): tree_of(path)
        for folder in USERS
        for path in sorted((root / folder).rglob("*.py"))
        if not path.name.endswith(GENERATED)
    }
    uses = Uses()
    for module, tree in trees.items():
        uses.read(module, tree, set(trees))
    for template in root.glob("ftjob/**/templates/*"):
        uses.attributes.update(re.findall(r"\.(\w+)", template.read_text(encoding="utf-8")))
    found = []
    for module, tree in trees.items():
        if module.split(".")[0] in PRODUCT:
            found += [f"{module}.{name}" for name in _unused_in(module, tree, uses)]
    return found


def _unused_in(module: str, tree: ast.Module, uses: Uses) -> Iterator[str]:
    for statement in tree.body:
        for name in _defined(statement):
            # what a module found by name at run time is asked for, as engines' clients are
            if (module, name) not in uses.names and not _is_called_otherwise(module, name, uses):
                yield name
        if isinstance(statement, ast.ClassDef):
            for part in statement.body:
                if isinstance(part, Functions):
                    yield from (
                        f"{statement.name}.{name}" for name in _defined(part) if name not in uses.attributes
                    )


def _is_called_otherwise(module: str, name: str, uses: Uses) -> bool:
    return module.endswith(".client") and name in uses.attributes


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (*Functions, ast.ClassDef)):
        registered = any(REGISTERS.search(ast.unparse(each)) for each in statement.decorator_list)
        names = [] if registered else [statement.name]
    elif isinstance(statement, ast.Assign):
        names = [
            node.id for target in statement.targets for node in ast.walk(target) if isinstance(node, ast.Name)
        ]
    elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        names = [statement.target.id]
    else:
        names = []
    yield from (
        name for name in names if not re.fullmatch("__.+__", name) and name not in CALLED_BY_LIBRARIES
    )


def test_nothing_is_unused() -> None:
    """Delete it, or move it to the tests that need it."""
    assert unused(ROOT) == []


@pytest.mark.parametrize("name", CALLED_BY_LIBRARIES)
def test_what_libraries_call_is_still_there(name: str) -> None:
    """An exception is not kept for what is gone."""
    assert any(
        re.search(rf"def {name}\(", path.read_text(encoding="utf-8"))
        for folder in PRODUCT
        for path in (ROOT / folder).rglob("*.py")
    )


def test_the_scan_finds_what_nothing_uses(tmp_path: Path) -> None:
    """Functions that only call themselves, methods, constants and classes; and nothing that is used."""
    for folder in USERS:
        (tmp_path / folder).mkdir()
    (tmp_path / "ftjob" / "a.py").write_text(
        "from ftjob import b\nfrom ftjob.b import used\n\nLEAST = 1\n\n"
        "def lonely(n):\n    return lonely(n - 1)\n\n"
        "class Kept:\n    def called(self): ...\n    def dead(self): ...\n\n"
        "class Quoted: ...\n\n"
        "def main(it: 'Quoted') -> None:\n    used(), b.by_module(), Kept().called()\n\n"
        "main()\n"
    )
    (tmp_path / "ftjob" / "b.py").write_text(
        "def used(): ...\ndef by_module(): ...\ndef by_tool(): ...\ndef main(): ...\n"
    )
    (tmp_path / "tools" / "c.py").write_text("from ftjob.b import by_tool\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_b.py").write_text("from ftjob.b import main\n")

    assert unused(tmp_path) == ["ftjob.a.LEAST", "ftjob.a.lonely", "ftjob.a.Kept.dead", "ftjob.b.main"]
