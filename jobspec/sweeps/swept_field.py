"""The name of a swept field: `solver.base_lr`, or of one stage `stages[1].surgery.freeze`. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

SWEPT = ("base", "surgery", "data", "solver")
"""The sections whose fields may take several values."""
SWEPT_OF_STAGE = tuple(section for section in SWEPT if section != "base")
"""The same, of a stage."""
_STAGE = re.compile(r"stages\[(\d{1,3})\](?:\.|$)")


@dataclass(frozen=True)
class SweptField:
    """A field of a spec's section, or of a stage's."""

    section: str
    name: str
    """Empty where only a section is named."""
    stage: int | None = None
    """Counted from 0, as in every path; None for the spec itself."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read SECTION.FIELD or stages[NUMBER].SECTION.FIELD, whether there is such a field or not."""
        found = _STAGE.match(text)
        section, _, name = text[found.end() if found else 0 :].partition(".")
        return cls(section, name, int(found[1]) if found else None)

    @property
    def parent(self) -> tuple[str | int, ...]:
        """Where its section is: in the spec itself, or in a stage."""
        return () if self.stage is None else ("stages", self.stage)

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where it is in a spec."""
        return (*self.parent, self.section, self.name)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections that it may be in."""
        return SWEPT if self.stage is None else SWEPT_OF_STAGE

    def value_in(self, values: Mapping[str, Any]) -> Any:
        """Return its value in a spec's plain values; None where there is none."""
        parent = values if self.stage is None else values["stages"][self.stage]
        return (parent.get(self.section) or {}).get(self.name)

    def put_into(self, values: dict[str, Any], value: Any) -> None:
        """Set its value in a spec's plain values, where the section may still be missing."""
        parent = values if self.stage is None else values["stages"][self.stage]
        parent[self.section] = {**(parent.get(self.section) or {}), self.name: value}


def heading_of(field: str) -> str:
    """Return what to call a swept field in a table: its name, of a stage's field the whole path."""
    parsed = SweptField.parse(field)
    return parsed.name if parsed.stage is None else field
