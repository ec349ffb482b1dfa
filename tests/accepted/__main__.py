"""Hold many specs to the law: what plan accepts ends well.

    python -m tests.accepted [SPECS [SEED]]    draws as many, and shows how they ended
    python -m tests.accepted FOLDER            tries a case again that lies in a folder

Exits with 1 where the law is broken; the smallest cases found then lie in `accepted/`, a folder each.
"""

import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.accepted.apart import make_smaller, place, try_apart
from tests.accepted.blocks import SIZE, Tried
from tests.accepted.case import read, write
from tests.accepted.runs import ENGINES, Ending, endings

OUT = Path("accepted")
SHOWN = 25
"""Reasons of refusal that are shown, the most frequent first."""


def main() -> int:
    """Do what the arguments say; return the exit code."""
    show = sys.stdout.write
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        with place() as folder:
            again = endings(read(Path(sys.argv[1]) / "case.json"), folder)
        for ending in again:
            show(f"{ending.engine}: {ending.stage} {int(ending.code)}: {ending.sentence}\n")
        return int(any(ending.violates for ending in again))
    specs = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    begin = time.monotonic()
    blocks = range(first, first + -(-specs // SIZE))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context) as pool:
        tried = []
        for block in pool.map(try_apart, blocks):
            tried += block
            sys.stderr.write(f"\r{len(tried)} specs, {sum(bool(trial.violations) for trial in tried)} broken")
        sys.stderr.write("\n")
        show(table(tried, first, time.monotonic() - begin))
        broken = list(by_kind(tried).values())
        for number, small in enumerate(pool.map(make_smaller, broken), 1):
            folder = OUT / str(number)
            write(small.case, folder)
            show(f"{folder}: {summary(small.violations[0])}\n")
    return int(bool(broken))


def by_kind(tried: list[Tried]) -> dict[str, Tried]:
    """The smallest case of each way in which the law is broken."""
    found: dict[str, Tried] = {}
    for trial in sorted(tried, key=lambda each: len(repr(each.case))):
        for ending in trial.violations[:1]:
            found.setdefault(f"{ending.engine} {ending.kind}", trial)
    return found


def table(tried: list[Tried], first: int, seconds: float) -> str:
    """Return a table of how many specs ended how."""
    endings = [ending for trial in tried for ending in trial.endings]
    lines = [f"{len(tried)} specs from seed {first} on, {seconds:.0f} s", row("", *ENGINES)]
    counts: tuple[tuple[str, Callable[[Ending], bool]], ...] = (
        ("refused by plan", lambda each: each.stage == "refused"),
        ("accepted", lambda each: each.stage != "refused"),
        ("  with a bundle that verifies", lambda each: each.stage == "run" and not each.code),
        (
            "  diverged, or ended by a guard",
            lambda each: each.stage == "run" and each.code and not each.violates,
        ),
        ("  against the law", lambda each: each.violates),
    )
    for name, counted in counts:
        lines.append(
            row(name, *(sum(bool(counted(each)) for each in of(endings, engine)) for engine in ENGINES))
        )
    for name in ("plan", "run", "verify"):
        spent = (sum(getattr(each, f"{name}_seconds") for each in of(endings, engine)) for engine in ENGINES)
        lines.append(row(f"seconds in {name}", *(f"{each:.0f}" for each in spent)))
    reasons = Counter(ending.kind for ending in endings if ending.stage == "refused").most_common()
    lines.append(f"{len(reasons)} reasons of refusal, the most frequent:")
    lines += [f"{count:6} {kind.removeprefix('refused ')}" for kind, count in reasons[:SHOWN]]
    broken = Counter(summary(ending) for ending in endings if ending.violates).most_common()
    lines += [f"{count:6} {kind}" for kind, count in broken]
    return "\n".join(lines) + "\n"


def of(endings: list[Ending], engine: str) -> list[Ending]:
    return [each for each in endings if each.engine == engine]


def summary(ending: Ending) -> str:
    return f"{ending.engine}: {ending.kind}"


def row(name: str, *values: object) -> str:
    return f"{name:<34}" + "".join(f"{value!s:>8}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
