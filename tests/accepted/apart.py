"""Blocks in processes of their own, with folders in memory and a cache that is nobody's."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftjob.fs.paths import cache_dir
from tests.accepted.blocks import SIZE, Tried, smallest, try_block

SMALLER_SECONDS = 120.0
"""Given to each case for becoming small."""
MEMORY_DISK = Path("/dev/shm")


def try_apart(block: int) -> list[Tried]:
    """Try a block."""
    with place() as folder:
        return try_block(block, SIZE, folder)


def make_smaller(tried: Tried) -> Tried:
    """Return the smallest case found that breaks the law as a case does."""
    with place() as folder:
        return smallest(tried, SIZE, folder, SMALLER_SECONDS)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for cases, and beside it a cache that has the machine's engines."""
    engines = cache_dir() / "engines"
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None) as scratch:
        cache = Path(scratch) / "cache"
        cache.mkdir()
        (cache / "engines").symlink_to(engines.resolve())
        before = dict(os.environ)
        os.environ.update(FTJOB_CACHE=str(cache), OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        try:
            yield Path(scratch)
        finally:
            os.environ.clear()
            os.environ.update(before)
