"""Hold many inputs to the law: whatever is read, a call ends well.

    python -m tests.fuzz [INPUTS [SEED]]    draws as many, and counts how they ended
    python -m tests.fuzz FOLDER             tries an input again that was kept

Exits with 1 where the law is broken; they lie in `fuzzed/` then, a folder each, with as few edits as do it.
"""

import multiprocessing
import os
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.fuzz.blocks import SIZE, engines, try_apart
from tests.fuzz.trial import Ending, bench, kind_of

OUT = Path("fuzzed")


def main() -> int:
    """Do what the arguments mean; return the exit code."""
    if len(sys.argv) > 1 and Path(sys.argv[1]).is_dir():
        with bench(engines()) as place:
            ending = place.again(Path(sys.argv[1]))
        sys.stdout.write(f"{' '.join(ending.case.words)}: {ending.code}\n{ending.output}")
        sys.stdout.write("".join(f"against the law: {problem}\n" for problem in ending.problems))
        return int(bool(ending.problems))
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 12_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    begin, endings = time.monotonic(), []
    shutil.rmtree(OUT, ignore_errors=True)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        sizes = [min(SIZE, inputs - start) for start in range(0, inputs, SIZE)]
        blocks = [pool.submit(try_apart, first + at, size, OUT) for at, size in enumerate(sizes)]
        for block in as_completed(blocks):
            endings += block.result()
            broken = sum(bool(ending.problems) for ending in endings)
            sys.stderr.write(f"\r{len(endings)} inputs, {broken} against the law")
    sys.stderr.write("\n")
    sys.stdout.write(table(endings, first, time.monotonic() - begin))
    return int(any(ending.problems for ending in endings))


def table(endings: list[Ending], first: int, seconds: float) -> str:
    """Count how inputs ended, by kind and verb, and the ways in which the law was broken."""
    lines = [f"{len(endings)} inputs from seed {first} on, {seconds:.0f} s"]
    lines.append(row("", ("inputs", "done", "refused", "broken", "s", "MB")))
    for name, some in by_name(endings):
        refused = sum(not ending.problems and ending.code > 0 for ending in some)
        done = sum(not ending.problems and not ending.code for ending in some)
        broken = len(some) - refused - done
        slowest = max(ending.cpu_seconds for ending in some)
        largest = max(ending.memory for ending in some) / 1e6
        lines.append(row(name, (len(some), done, refused, broken, f"{slowest:.1f}", f"{largest:.0f}")))
    ways = Counter(
        (f"{ending.case.kind}: {ending.case.words[0]}", kind_of(problem))
        for ending in endings
        for problem in ending.problems
    )
    lines += [f"{count:6} {name}: {way}" for (name, way), count in ways.most_common()]
    return "\n".join(lines) + "\n"


def by_name(endings: Iterable[Ending]) -> list[tuple[str, list[Ending]]]:
    """Endings by kind and verb, the command line without options."""
    found: dict[str, list[Ending]] = {}
    for ending in endings:
        verb = " ".join(ending.case.words[: 2 if ending.case.words[0] == "data" else 1])
        found.setdefault(f"{ending.case.kind}: {verb}", []).append(ending)
    return sorted(found.items())


def row(name: str, values: tuple[object, ...]) -> str:
    return f"{name:<34}" + "".join(f"{value!s:>9}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
