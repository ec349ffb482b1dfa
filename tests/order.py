"""The order of tests in several processes: what takes long comes first, so that quick tests fill the end.

xdist's worksteal cuts the list of tests into a piece for each process, and whoever is done takes from the end
of another's piece. So each begins with long tests. Those that wait for a cluster are in pieces of their own,
by what they need there: an installed ftjob, which a process then installs once, images, or neither. At least
one process has other work for the processors meanwhile.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import cycle

import pytest

from tests.tiers import needs_of

ON_CLUSTER = ("installed", "image")
"""Fixtures of what takes long to bring to a cluster."""


class Turn(IntEnum):
    """When a module has its turn: as its longest test does."""

    LONGEST = 0
    """With a test that has a time limit above others'."""
    LONG = 1
    """With a test that is slow, or starts an engine, a server or a cluster."""
    QUICK = 2


@pytest.hookimpl(trylast=True)  # after -m chose, and each folder gave its markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    processes = getattr(config, "workerinput", {}).get("workercount", 0)
    if processes:
        limit = float(config.getini("timeout"))
        items[:] = spread(items, processes, limit)


def spread(items: Sequence[pytest.Item], processes: int, limit: float) -> list[pytest.Item]:
    """Return tests in an order in which equal pieces begin with long ones; a module's stay together.

    `limit` is the time limit in seconds of tests without one of their own.
    """
    modules: dict[object, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.path, []).append(item)
    piles: list[list[pytest.Item]] = [[] for _ in range(processes)]
    quick: list[pytest.Item] = []
    kinds = sorted({kind(module) for module in modules.values() if waits(module)})
    waiting = min(len(kinds), processes - 1)
    others = cycle(piles[waiting:])
    for module in sorted(modules.values(), key=lambda each: turn(each, limit)):
        if waits(module):
            piles[min(kinds.index(kind(module)), max(0, waiting - 1))] += module
        elif turn(module, limit) is Turn.QUICK:
            quick += module
        else:
            next(others).extend(module)
    left = len(items)
    for taken, pile in enumerate(piles):
        missing = max(0, left // (processes - taken) - len(pile))
        pile += quick[:missing]
        del quick[:missing]
        left -= len(pile)
    return [item for pile in (*piles, quick) for item in pile]


def waits(module: Iterable[pytest.Item]) -> bool:
    """Return whether any test waits for a cluster."""
    return any("cluster" in needs_of(item) for item in module)


def kind(module: Iterable[pytest.Item]) -> int:
    """Return which of ON_CLUSTER is the first that any test needs; their number where none needs any."""
    fixtures = {name for item in module for name in getattr(item, "fixturenames", ())}
    return next((number for number, name in enumerate(ON_CLUSTER) if name in fixtures), len(ON_CLUSTER))


def turn(module: Iterable[pytest.Item], limit: float) -> Turn:
    """Return when a module has its turn."""
    found = Turn.QUICK
    for item in module:
        own = item.get_closest_marker("timeout")
        if own and own.args[0] > limit:
            return Turn.LONGEST
        if item.get_closest_marker("slow") or needs_of(item):
            found = Turn.LONG
    return found
