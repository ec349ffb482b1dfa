"""The rooms of the code: what lies where, and that names mean one thing."""

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from tools import rooms

ROOT = Path(__file__).parents[2]
BESIDE = {"__init__.py", "__main__.py", "api.py", "formatting.py", "suggest.py", "protowire.py", "py.typed"}
"""The only files in ftjob/ that lie in no room."""
MOST_FILES = 16
WORDS = {"told", "tell", "tells", "said", "say", "says"}
"""What names nothing: a message, a callback, a time and a status each have a name of their own."""


def sources() -> list[Path]:
    """The modules of the product that a person wrote."""
    paths = [path for package in ("ftjob", "jobspec") for path in (ROOT / package).rglob("*.py")]
    return sorted(path for path in paths if not path.name.endswith("_pb2.py"))


def test_every_module_lies_in_a_room() -> None:
    """But for the front doors and what everybody may use."""
    assert {path.name for path in (ROOT / "ftjob").iterdir() if path.is_file()} == BESIDE


def test_no_folder_has_more_files_than_an_eye_takes_in() -> None:
    counts: dict[str, int] = defaultdict(int)
    for package in ("ftjob", "jobspec"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                counts[str(path.parent.relative_to(ROOT))] += 1

    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_every_room_has_its_level_and_its_purpose() -> None:
    """The contract names each room, and architecture.md says what each is for."""
    found = {path.name for path in (ROOT / "ftjob").iterdir() if (path / "__init__.py").is_file()}
    named = {name for level in rooms.levels() for name in level}

    assert found | {"__main__", "api", "formatting", "suggest", "protowire", "jobspec"} == named
    assert [row for row in rooms.rooms_table().splitlines() if row.endswith("|  |")] == []


def test_the_contract_of_the_rooms_has_no_exceptions() -> None:
    """Imports under TYPE_CHECKING count."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    contract = next(each for each in settings["contracts"] if each["name"] == rooms.CONTRACT)

    assert not settings.get("exclude_type_checking_imports", False)
    assert "ignore_imports" not in contract
    assert contract["exhaustive"]


def test_imports_between_rooms_point_down() -> None:
    """Read from the sources, as the picture in architecture.md is."""
    height = {name: level for level, names in enumerate(rooms.levels()) for name in names}
    upward = [
        f"{importer} -> {imported}"
        for importer, found in rooms.imports().items()
        for imported in found
        if height[imported] <= height[importer]
    ]

    assert len(rooms.imports()) > 20
    assert upward == []


def names_in(tree: ast.AST) -> set[str]:
    """What a module gives a name to: classes, functions, parameters, variables, attributes, imports."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name) | ast.FunctionDef(name) | ast.AsyncFunctionDef(name):
                found.add(name)
            case ast.arg(name) | ast.alias(asname=str(name)):
                found.add(name)
            case ast.Name(name, ast.Store()) | ast.Attribute(_, name, ast.Store()):
                found.add(name)
    return found


def is_word_of_nothing(name: str) -> bool:
    """Whether a name has a verb of speaking in it, or is no name at all."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_")
    return name == "one" or not WORDS.isdisjoint(words)


@pytest.mark.parametrize("name", ["told", "_told", "tell_it", "SaidOnce", "APT_SAYS", "one"])
def test_the_law_of_words_sees_what_it_forbids(name: str) -> None:
    assert is_word_of_nothing(name)


@pytest.mark.parametrize("name", ["essays", "teller", "untold", "one_line", "reported_at"])
def test_the_law_of_words_leaves_other_names_alone(name: str) -> None:
    assert not is_word_of_nothing(name)


def test_nothing_is_called_by_a_verb_of_speaking() -> None:
    """A reader should see from its name what a thing is."""
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in names_in(ast.parse(path.read_text(encoding="utf-8")))
        if is_word_of_nothing(name)
    }

    assert found == set()
