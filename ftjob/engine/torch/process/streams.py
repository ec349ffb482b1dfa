"""Random numbers by counter: each draw depends only on the seed and the place in the run.

So no generator's state has to be saved: a run resumed at iteration N draws what it would have drawn.
"""

import os

import numpy as np

FILLERS, DROPOUT, TRANSFORMS, DUMMIES = range(4)
"""The purpose of a draw: the first number of each stream's place."""


def run_seed(random_seed: int) -> int:
    """Return the seed of a run: solver's random_seed, or one of the system's where it is left out (-1)."""
    return random_seed if random_seed >= 0 else int.from_bytes(os.urandom(8), "little")


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return numpy's generator for one place in a run."""
    return np.random.default_rng(np.random.SeedSequence((seed, *place)))


def number(seed: int, *place: int) -> int:
    """Return a seed for torch's generators, for one place in a run."""
    return int(np.random.SeedSequence((seed, *place)).generate_state(1, np.uint64)[0] >> np.uint64(1))
