"""The rooms of the code and what they import, for docs/architecture.md: read from the sources."""

import ast
import tomllib
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
CONTRACT = "imports point down, from the command line to the job spec"


def rooms_table() -> str:
    """Return a table of the rooms, from the top level of the import contract down."""
    rows = [
        f"| {level} | `{name}` | {_modules(name)} | {_purpose(name)} |"
        for level, names in enumerate(levels(), 1)
        for name in names
    ]
    return "\n".join(
        ["| Level | Room | Modules | What it is for |", "| ---: | --- | ---: | --- |", *rows, ""]
    )


def imports_picture() -> str:
    """Return a picture of the imports between rooms, without those that follow from others."""
    edges = _reduced(imports())
    lines = [f"    {importer} --> {imported}" for importer in edges for imported in sorted(edges[importer])]
    return "\n".join(["```mermaid", "flowchart TD", *lines, "```", ""])


@cache
def levels() -> tuple[tuple[str, ...], ...]:
    """Return the rooms of each level of the import contract in pyproject.toml, the top level first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in settings["contracts"] if each["name"] == CONTRACT)
    found = [tuple(name.strip() for name in layer.split("|")) for layer in layers]
    return (*found, ("jobspec",))


@cache
def imports() -> dict[str, frozenset[str]]:
    """Return the rooms that each room imports, those under TYPE_CHECKING included."""
    graph = grimp.build_graph("ftjob", "jobspec", cache_dir=None)
    names = [name for level in levels() for name in level]
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in graph.modules:
        importer = _room(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if importer in found and _room(imported) in found and _room(imported) != importer:
                found[importer].add(_room(imported))
    return {name: frozenset(rooms) for name, rooms in found.items()}


def _room(module: str) -> str:
    """Return the room that a module lies in; a module beside the rooms is its own."""
    package, _, rest = module.partition(".")
    return package if package == "jobspec" else rest.partition(".")[0]


def _reduced(edges: dict[str, frozenset[str]]) -> dict[str, set[str]]:
    """Leave out every import of a room that another import leads to as well."""

    def reached(room: str) -> frozenset[str]:
        direct = edges[room]
        return direct.union(*(reached(each) for each in direct))

    return {
        room: {each for each in direct if not any(each in reached(other) for other in direct)}
        for room, direct in edges.items()
    }


def _path(name: str) -> Path:
    folder = ROOT / name if name == "jobspec" else ROOT / "ftjob" / name
    return folder if folder.is_dir() else folder.with_suffix(".py")


def _modules(name: str) -> int:
    path = _path(name)
    return len([each for each in path.rglob("*.py") if each.name != "__init__.py"]) if path.is_dir() else 1


def _purpose(name: str) -> str:
    """Return the first line of a room's docstring, a label as mermaid and Markdown take it."""
    path = _path(name)
    source = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].replace("|", "\\|")
