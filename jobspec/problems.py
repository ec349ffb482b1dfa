"""What is wrong with a spec: one sentence for each problem, with its file, line and field."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobspec.text import visible

SHOWN = 50
"""How many problems an error lists."""


@dataclass(frozen=True)
class Mark:
    """A place in a text; both numbers begin at 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    field: str
    """The field's path, such as `solver.base_lr` or `surgery.heads[1]`; empty for the file as a whole."""
    message: str
    """What is wrong and what to do, without the field."""
    line: int | None = None
    column: int | None = None

    def render(self, source: str) -> str:
        """Return `spec.yaml:7: solver.base_lr: ...`, or `spec.yaml:7:3: ...` if no field is known."""
        place = [source]
        if self.line is not None:
            place.append(str(self.line))
            if self.column is not None and not self.field:
                place.append(str(self.column))
        return ": ".join([":".join(place), *([self.field] if self.field else []), self.message])


class SpecError(ValueError):
    """A spec that cannot be used; its text is one line for each of the first problems."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [problem.render(self.source) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"{self.source}: has {len(self.problems) - SHOWN} more problems; fix these first")
        return "\n".join(lines)


def one_line(text: str) -> str:
    """Return a text cut to 60 characters, all visible."""
    shown = visible(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as users read it: ("surgery", "heads", 1) is `surgery.heads[1]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{one_line(part)}" for part in path)
    return "".join(parts).removeprefix(".")
