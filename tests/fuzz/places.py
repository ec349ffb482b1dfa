"""What else may lie in a file's place: a folder, a pipe, a device, nothing, far too much."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.fuzz import odd

BYSTANDER = "bystander"
"""A file beside an input's folder, which nothing may change."""


def missing(path: Path, _rng: Random) -> None:
    path.unlink()


def folder(path: Path, rng: Random) -> None:
    path.unlink()
    path.mkdir()
    if rng.random() < 0.5:
        (path / "data.mdb").write_bytes(b"")


def pipe(path: Path, _rng: Random) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path, rng: Random) -> None:
    path.unlink()
    path.symlink_to(rng.choice(("/dev/zero", "/dev/null", "/dev/full", "/dev/tty", "/dev/stdin")))


def link(path: Path, rng: Random) -> None:
    """A link to itself, to nowhere, to its folder, to a file outside."""
    path.unlink()
    outside = os.path.relpath(_root(path).parent / BYSTANDER, path.parent)
    path.symlink_to(rng.choice((path.name, "nowhere", ".", "..", outside)))


def huge(path: Path, rng: Random) -> None:
    """A file of gigabytes, of which the disk has nothing."""
    os.truncate(path, rng.choice((2**29, 2**32 + 1, 2**40)))


def renamed(path: Path, rng: Random) -> None:
    """An odd name for a file or for its folder."""
    name = os.fsencode(odd.string(rng).replace("/", "_").replace("\0", "_").replace("\ud800", "_"))[:200]
    if name.strip(b".") and not (path.parent / os.fsdecode(name)).exists():
        old = path.parent if rng.random() < 0.6 and path.parent != _root(path) else path
        old.rename(old.parent / os.fsdecode(name))


def deeper(path: Path, rng: Random) -> None:
    """The file some folders further down, perhaps with a link back up."""
    below = path.parent.joinpath(*["d"] * rng.choice((1, 20, 60)))
    below.mkdir(parents=True, exist_ok=True)
    shutil.move(path, below / path.name)
    if rng.random() < 0.5:
        (below / "up").symlink_to(os.path.relpath(path.parent, below))


def _root(path: Path) -> Path:
    """The folder of the whole input: the one that has a home."""
    return next(parent for parent in path.parents if (parent / "home").is_dir())


PLACES: tuple[Callable[[Path, Random], None], ...] = (missing, folder, pipe, device, link, huge)
TREE = (*PLACES, renamed, renamed, renamed, deeper)
