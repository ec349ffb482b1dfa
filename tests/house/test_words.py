"""The law of words: a name says what a thing is."""

import ast
import re
from pathlib import Path

import pytest

from tests.sources import tree_of

ROOT = Path(__file__).parents[2]
FOLDERS = ("ftjob", "jobspec", "tests", "benchmarks", "tools", "examples")
WORDS = {"told", "tell", "tells", "said", "say", "says"}
"""What names nothing: a message, a callback, a time and a status each have a name of their own."""


def sources() -> list[Path]:
    """The modules that a person wrote."""
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in paths if not path.name.endswith("_pb2.py"))


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
        for name in names_in(tree_of(path))
        if is_word_of_nothing(name)
    }

    assert found == set()
