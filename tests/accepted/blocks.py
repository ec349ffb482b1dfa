"""Cases by the block: drawn from a seed, so that they can be drawn again and what failed made small."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.accepted.case import Case
from tests.accepted.runs import Ending, endings
from tests.accepted.specs import cases

SIZE = 25
"""Cases of a block."""


@dataclass(frozen=True)
class Tried:
    """A case and how it ended, with each engine."""

    block: int
    case: Case
    endings: list[Ending]

    @property
    def violations(self) -> list[Ending]:
        return [ending for ending in self.endings if ending.violates]


class BrokenLawError(AssertionError):
    """Plan accepted what did not end well."""


def try_block(number: int, size: int, folder: Path) -> list[Tried]:
    """Draw so many cases and try each, in a folder that is there."""
    tried: list[Tried] = []
    _each(number, size, lambda case: tried.append(Tried(number, case, endings(case, folder))), [])
    return tried


def smallest(found: Tried, size: int, folder: Path, seconds: float) -> Tried:
    """Return the smallest case that breaks the law as a case does, as far as some seconds tell."""
    wanted = found.violations[0]
    known: dict[str, Tried] = {}
    end = time.monotonic() + seconds

    def law(case: Case) -> None:
        key = repr(case)
        if key not in known and time.monotonic() < end:
            how = endings(case, folder, (wanted.engine,))
            if how[0].kind == wanted.kind:
                known[key] = Tried(found.block, case, how)
        if key in known:
            raise BrokenLawError(wanted.kind)

    with contextlib.suppress(BrokenLawError):
        _each(found.block, size, law, [Phase.shrink])
    return min([found, *known.values()], key=lambda tried: len(repr(tried.case)))


def _each(number: int, size: int, law: Callable[[Case], object], phases: list[Phase]) -> None:
    seeded = seed(number)
    limits = settings(
        max_examples=size,
        deadline=None,
        database=None,
        phases=[Phase.generate, *phases],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    seeded(limits(given(case=cases())(lambda case: law(case))))()
