"""The rooms of ftjob as the code has them: what each is for, its level, and what it imports."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
FRONT_DOOR = "ftjob"
"""The package itself, which hands the API on to notebooks; it has no level."""
LEAF = "jobspec"

Imports = Mapping[str, frozenset[str]]
"""Room → rooms that its modules import, those under TYPE_CHECKING too."""


def rooms_table() -> str:
    """Return every room with its level, its purpose and its imports, the highest level first."""
    graph = imports_between_rooms()
    head = ["| Level | Room | What it is for | Imports |", "| ---: | --- | --- | --- |"]
    levels = levels_of_contract()
    order = [room for level in levels for room in level]
    rows = [
        f"| {len(levels) - depth} | `{room}` | {purpose(room)} "
        f"| {', '.join(f'`{each}`' for each in order if each in graph[room])} |"
        for depth, level in enumerate(levels)
        for room in level
    ]
    return "\n".join([*head, *rows, ""])


def rooms_picture() -> str:
    """Return a Mermaid flowchart of the rooms, without arrows that a longer way of arrows implies."""
    levels = levels_of_contract()
    lines = ["```mermaid", "flowchart TD"]
    for depth, level in enumerate(levels):
        names = "; ".join(f'{_node(room)}["{room}"]' for room in level)
        lines.append(f"  subgraph level{len(levels) - depth} [ ]\n    {names}\n  end")
    for room, below in sorted(without_implied(imports_between_rooms()).items()):
        lines += [f"  {_node(room)} --> {_node(each)}" for each in sorted(below)]
    return "\n".join([*lines, "```", ""])


def levels_of_contract() -> list[tuple[str, ...]]:
    """Return the levels of the import contract in pyproject.toml, highest first; jobspec is the lowest."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    [rooms] = [each for each in contracts if each.get("containers") == [FRONT_DOOR]]
    names = [[_bare(name) for name in layer.split("|")] for layer in rooms["layers"]]
    present = [tuple(name for name in level if _source(name).is_file()) for level in names]
    return [*(level for level in present if level), (LEAF,)]


def imports_between_rooms() -> Imports:
    """Return what each room imports of the others, as the sources have it."""
    graph = grimp.build_graph(FRONT_DOOR, LEAF, exclude_type_checking_imports=False, cache_dir=None)
    found: dict[str, set[str]] = defaultdict(set)
    for module in graph.modules:
        importer = room_of(module)
        found[importer] |= {room_of(each) for each in graph.find_modules_directly_imported_by(module)}
    return {
        room: frozenset(below - {room, FRONT_DOOR}) for room, below in found.items() if room != FRONT_DOOR
    }


def without_implied(graph: Imports) -> Imports:
    """Return a graph without the arrows between rooms that are joined by a longer way, too."""
    below = {room: _reached(graph, room) for room in graph}
    return {
        room: frozenset(each for each in direct if not any(each in below[other] for other in direct - {each}))
        for room, direct in graph.items()
    }


def _reached(graph: Imports, start: str) -> frozenset[str]:
    """Return what a room imports, directly or through others."""
    reached: set[str] = set()
    due = [start]
    while due:
        new = graph[due.pop()] - reached
        reached |= new
        due.extend(new)
    return frozenset(reached)


def room_of(module: str) -> str:
    """Return the room that a module lies in."""
    root, *inner = module.split(".")
    return inner[0] if inner and root == FRONT_DOOR else root


def purpose(room: str) -> str:
    """Return the first sentence of a room's docstring, empty where it has none."""
    text = ast.get_docstring(ast.parse(_source(room).read_text(encoding="utf-8"))) or ""
    return text.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def _source(room: str) -> Path:
    """Return the file that has a room's docstring."""
    folder = ROOT / room if room == LEAF else ROOT / FRONT_DOOR / room
    return folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")


def _bare(name: str) -> str:
    """Return a layer's name without the brackets of one that may be missing."""
    return name.strip().strip("()")


def _node(room: str) -> str:
    """Return a room's name as Mermaid takes it for a node."""
    return f"room_{room.strip('_')}"
