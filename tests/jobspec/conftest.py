"""A spec that is right, and the problems of one that is not."""

from collections.abc import Callable

import pytest

from jobspec import SpecError, parse_spec

LEAST = """\
name: emotions
base: {net: googlenet}
data: {train: images, val_split: 0.25}
output: runs
"""
"""The least a spec needs: four lines, so that what a test adds begins in line 5."""


@pytest.fixture
def least() -> str:
    return LEAST


@pytest.fixture
def problems() -> Callable[[str], list[str]]:
    """The lines a text is refused with; a text that is taken fails the test."""

    def refuse(text: str) -> list[str]:
        with pytest.raises(SpecError) as caught:
            parse_spec(text, "spec.yaml")
        return str(caught.value).splitlines()

    return refuse


@pytest.fixture
def problem(problems: Callable[[str], list[str]]) -> Callable[[str], str]:
    """The one line that the least spec with something added is refused with."""

    def refuse(added: str) -> str:
        (line,) = problems(LEAST + added)
        return line

    return refuse
