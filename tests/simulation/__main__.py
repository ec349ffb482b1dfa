"""Live many random lives of runs or sweeps, and name those that break a law.

    python -m tests.simulation runs|sweeps [LIVES [SEED]]

Exits with 1 where the laws are broken; the tests have a function `lived` that lives a seed again.
"""

import multiprocessing
import os
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.simulation import test_lives, test_sweeps

SIZE = 100
"""Lives that a process takes at a time."""
LIVED: dict[str, Callable[[int], object]] = {"runs": test_lives.lived, "sweeps": test_sweeps.lived}


def main() -> int:
    """Do what the arguments mean; return the exit code."""
    kind = sys.argv[1]
    lives = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    first = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**9)
    begin, done, broken = time.monotonic(), 0, dict[int, str]()
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        blocks = [
            pool.submit(broken_in, kind, range(start, min(start + SIZE, first + lives)))
            for start in range(first, first + lives, SIZE)
        ]
        for block in as_completed(blocks):
            broken |= block.result()
            done = min(done + SIZE, lives)
            sys.stderr.write(f"\r{done} lives of {kind}, {len(broken)} against a law")
    sys.stderr.write("\n")
    sys.stdout.writelines(f"seed {seed}: {story}\n" for seed, story in sorted(broken.items()))
    sys.stdout.write(f"{lives} lives from seed {first} on, {time.monotonic() - begin:.0f} s\n")
    return int(bool(broken))


def broken_in(kind: str, seeds: range) -> dict[int, str]:
    """Return the stories of the lives that break a law, by seed."""
    found = {}
    for seed in seeds:
        try:
            LIVED[kind](seed)
        except AssertionError as error:
            found[seed] = str(error)
    return found


if __name__ == "__main__":
    sys.exit(main())
