"""Laws of the rooms: what lies where, under which name, and who may import whom."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from ftjob.cluster.resource.names import GROUP
from tests.sources import tree_of
from tools import rooms

ROOT = Path(__file__).parents[2]
PRODUCT = ("ftjob", "jobspec")
BESIDE_ROOMS = {"__init__", "__main__", "api", "formatting", "suggest", "protowire"}
MOST_FILES = 16
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

LAYERS = "its rule in net, its computing in PyTorch's process"
ENGINES = "one for each engine, or for each side of its pipe"
VERB = "the verb, its view, and what it is about"
MODULES_MEANT = {
    "__init__": "a folder's own",
    "__main__": "the program of its folder",
    "app": "every verb, every page",
    "arrange": LAYERS,
    "attempt": "an attempt worked on, and an attempt judged",
    "client": ENGINES,
    "computing": ENGINES,
    "cost": VERB,
    "curves": "drawn in a report, read by a diagnosis",
    "data": VERB,
    "deploy": ENGINES,
    "engine": VERB,
    "elementwise": LAYERS,
    "explain": "errors of specs, stores and runs as sentences",
    "facts": "of a run, of a dataset",
    "fillers": ENGINES,
    "inputs": "what a plan is made from, and where it lies",
    "install": ENGINES,
    "installed": ENGINES,
    "learned": LAYERS,
    "lock": "of a run's folder, of a dataset's build",
    "log": "a worker's own, and Caffe's read",
    "losses": LAYERS,
    "models": VERB,
    "names": "of layers, of objects in a cluster",
    "page": VERB,
    "plan": VERB,
    "planning": "of a run in a worker, of plan pods, of a dataset's build",
    "pooling": LAYERS,
    "profiles": "of nodes, and the controller's copy of them",
    "progress": "of a run, of a training in a log",
    "retry": "calls in general, requests to a store",
    "runs": VERB,
    "rule": "of a layer type, of a line in a log",
    "serving": "the verb, and an engine's process that serves its parent",
    "server": ENGINES,
    "snapshots": "of a run, of PyTorch's process",
    "status": "of a run, of a FineTuneJob",
    "store": "of objects, of a run",
    "training": ENGINES,
    "tune": VERB,
    "weights": "in a caffemodel, in PyTorch, brought for a plan",
    "windows": LAYERS,
}
"""Names of several modules whose folders tell them apart, and how."""
WIRE = "what crosses the pipe is known by the class's name"
CLASSES_MEANT = {
    "BadDataError": WIRE,
    "BadNetError": WIRE,
    "StorageError": WIRE,
}
"""Names of several public classes that answer to each other, and how."""


def modules() -> Iterator[Path]:
    """Every module of the product that a person wrote."""
    for folder in PRODUCT:
        yield from (path for path in (ROOT / folder).rglob("*.py") if not path.name.endswith("_pb2.py"))


def public_classes(tree: ast.Module) -> Iterator[str]:
    """The classes of a module that others may import."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def doubled(named: Iterator[tuple[str, Path]]) -> dict[str, list[str]]:
    """Names that several modules have, with the modules."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, path in named:
        found[name].append(str(path.relative_to(ROOT)))
    return {name: sorted(paths) for name, paths in found.items() if len(paths) > 1}


def contracts() -> list[dict[str, object]]:
    """The import contracts of pyproject.toml."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    linter = settings["tool"]["importlinter"]
    assert "exclude_type_checking_imports" not in linter
    return linter["contracts"]


def test_no_module_lies_beside_the_rooms() -> None:
    """But for the front doors and what all rooms share."""
    assert {path.stem for path in (ROOT / "ftjob").glob("*.py")} <= BESIDE_ROOMS


def test_no_folder_has_more_files_than_fit_on_a_page() -> None:
    """A folder with more is two."""
    folders = {path.parent for path in modules()}
    counts = {folder: sum(each.is_file() for each in folder.iterdir()) for folder in folders}

    assert len(counts) > 20
    assert {str(folder): count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_two_modules_have_one_name() -> None:
    """But where the folder makes the meaning; a name that is doubled no more leaves the list."""
    allowed = MODULES_MEANT.keys()
    found = doubled((path.stem, path) for path in modules())

    assert {name: paths for name, paths in found.items() if name not in allowed} == {}
    assert allowed - found.keys() == set()


def test_no_two_public_classes_have_one_name() -> None:
    """But where they answer to each other; a name that is doubled no more leaves the list."""
    allowed = CLASSES_MEANT.keys()
    found = doubled((name, path) for path in modules() for name in public_classes(tree_of(path)))

    assert {name: paths for name, paths in found.items() if name not in allowed} == {}
    assert allowed - found.keys() == set()


def test_the_scan_finds_public_classes() -> None:
    """Those of the module's own level."""
    source = "class A: ...\nclass _B: ...\ndef f():\n    class C: ...\n"

    assert list(public_classes(ast.parse(source))) == ["A"]


def test_every_room_has_a_purpose() -> None:
    """In its docstring's first sentence, which docs/architecture.md shows."""
    assert [room for level in rooms.levels_of_contract() for room in level if not rooms.purpose(room)] == []


def test_every_room_has_its_level() -> None:
    """The contract names every room, and is exhaustive."""
    levels = rooms.levels_of_contract()

    assert {room for level in levels for room in level} == rooms.imports_between_rooms().keys()
    [contract] = [each for each in contracts() if each.get("containers") == ["ftjob"]]
    assert contract["exhaustive"] is True
    assert contract["exhaustive_ignores"] == ["__init__"]


def test_imports_point_down() -> None:
    """Those under TYPE_CHECKING, too: a room imports from levels below its own."""
    levels = rooms.levels_of_contract()
    height = {room: -depth for depth, level in enumerate(levels) for room in level}
    imports = rooms.imports_between_rooms()

    assert [
        f"{room} imports {each}"
        for room, below in imports.items()
        for each in below
        if height[each] >= height[room]
    ] == []


def test_levels_know_no_exception() -> None:
    """No contract of layers ignores an import, nor does the one that keeps the core pure."""
    strict = [
        each for each in contracts() if each["type"] == "layers" or each["name"] == "the pure core does no IO"
    ]

    assert len(strict) >= 4
    assert [each["name"] for each in strict if "ignore_imports" in each] == []


def test_the_pure_rooms_do_no_io() -> None:
    """The spec, nets, plans, and what decides about a cluster."""
    [pure] = [each for each in contracts() if each["name"] == "the pure core does no IO"]
    wanted = {"jobspec", "ftjob.net", "ftjob.plan", "ftjob.cluster.policy", "ftjob.cluster.resource"}

    assert wanted <= set(pure["source_modules"])  # type: ignore[call-overload]


def test_the_picture_leaves_out_what_a_longer_way_implies() -> None:
    """A → B → C is drawn without A → C."""
    graph = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset[str]()}

    assert rooms.without_implied(graph) == {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_pages_name_of_the_code_is_there(page: Path) -> None:
    """Files by path, where * stands for any, and modules by their dotted name."""
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"(?<![\w/.~-])((?:ftjob|jobspec|tests|tools|benchmarks)/[\w./*-]*\.\w+)", text)
    dotted = re.findall(r"(?<![\w/.-])((?:ftjob|jobspec)(?:\.[a-z_]+)+)(?![\w./-])", text)

    assert [each for each in files if not list(ROOT.glob(each))] == []
    assert [each for each in dotted if not is_known(each)] == []


def is_known(name: str) -> bool:
    """Whether a dotted name is a module, or something that one has; ftjob.dev is the cluster's group."""
    module, _, attribute = name.rpartition(".")
    try:
        return name == GROUP or find_spec(name) is not None or hasattr(import_module(module), attribute)
    except ModuleNotFoundError:
        return False
