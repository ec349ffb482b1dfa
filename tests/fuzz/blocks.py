"""Inputs by the block, drawn from a seed, so that they can be drawn again."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

from ftjob.fs.paths import cache_dir
from tests.fuzz.case import draw
from tests.fuzz.trial import Bench, Ending, bench

SIZE = 80
"""Inputs of a block."""


def try_block(number: int, size: int, place: Bench) -> Iterator[Ending]:
    """Draw so many inputs and try each."""
    rng = Random(number)
    for _ in range(size):
        yield place.try_case(draw(place.good, rng))


def engines() -> Path:
    """Return where this machine's engines are."""
    return (cache_dir() / "engines").resolve()


def try_apart(number: int, size: int, keep: Path) -> list[Ending]:
    """Try a block on a bench of its own; keep what breaks the law, as few edits of it as do, in folders."""
    endings = []
    with bench(engines()) as place:
        for at, ending in enumerate(try_block(number, size, place)):
            endings.append(ending)
            if ending.problems:
                endings[-1] = place.smallest(ending)
                place.keep(endings[-1], keep / f"{number}-{at}")
    return endings
