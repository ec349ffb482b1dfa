"""Names of aliases: as users write them, and as folders beside the runs; pure."""

import re
from dataclasses import dataclass
from typing import Self

from ftjob.errors import BadSpecError
from jobspec.grammar import ALIAS_NAME, ALIAS_REFERENCE, PROMOTION
from jobspec.problems import one_line

MODELS = "models"
"""The folder of all aliases, beside the runs."""


@dataclass(frozen=True)
class Alias:
    """Where an alias is: `<output>/models/<name>`. It points to runs of the same output."""

    output: str
    """A directory's path or a store's URI."""
    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    def __str__(self) -> str:
        return self.name

    @property
    def location(self) -> str:
        """The path or URI of its folder."""
        return f"{self.output.rstrip('/')}/{MODELS}/{self.name}"


@dataclass(frozen=True)
class AliasReference:
    """An alias as users write it: NAME or its folder, perhaps with @NUMBER for an earlier promotion."""

    name: str
    output: str | None = None
    """None where only the name was given."""
    number: int | None = None
    """Of a promotion; None for the newest."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the reference in a text, with or without `alias:` before it. Raises BadSpecError."""
        place, at, number = text.removeprefix(ALIAS_REFERENCE).rpartition("@")
        if not at or not re.fullmatch(PROMOTION, number):
            place, number = text.removeprefix(ALIAS_REFERENCE), ""
        folder, slash, name = place.rstrip("/").rpartition("/")
        output, _, models = folder.rpartition("/")
        if slash and (models != MODELS or not output):
            raise BadSpecError(
                f"{one_line(place)}: is not an alias's folder: give OUTPUT/{MODELS}/NAME, where "
                "OUTPUT is that of its runs"
            )
        check_name(name)
        return cls(name, output or None, int(number) if number else None)

    @staticmethod
    def bare(text: str) -> str:
        """Return the name in NAME or alias:NAME, where nothing else makes sense. Raises BadSpecError."""
        name = text.removeprefix(ALIAS_REFERENCE)
        check_name(name)
        return name


def check_name(name: str) -> None:
    """Raise BadSpecError for a name that no alias may have."""
    if not re.fullmatch(ALIAS_NAME, name):
        raise BadSpecError(
            f"{one_line(name) or 'an empty text'}: is not an alias's name: give 1 to 63 lower-case letters, "
            "digits and dashes, beginning and ending with a letter or digit"
        )
