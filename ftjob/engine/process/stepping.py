"""Runs updates and reports them as they are made; signs of life for operations that take long."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterator, List, Optional, Tuple

from ftjob.engine.process import wire

REPORT_SECONDS = 0.2
Update = Tuple[int, float, List[float], float, Optional[float]]
"""What one update shows: iteration, loss, outputs, learning rate, and the seconds that it waited for images,
None where the engine does not know."""


class Pulse:
    """Tracks when a sign of life is due: every 0.2 s."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def due(self) -> bool:
        """Return whether one is due; the caller then sends it."""
        now = time.perf_counter()
        if now - self.last <= REPORT_SECONDS:
            return False
        self.last = now
        return True


def alive(done: int, total: int) -> wire.Frame:
    """Return a sign of life with the share that is done."""
    return {"done": False, "share": min(1.0, done / total)}, {}


def steps(
    iterations: int,
    halted: Callable[[], bool],
    outputs: List[str],
    update: Callable[[], Iterator[Optional[Update]]],
) -> Iterator[wire.Frame]:
    """Update that many times, or until halted; yield a frame with the rows of every 0.2 s.

    An update yields None after each of its passes, and at last its result. A row is that result and the
    seconds it took.
    """
    rows: List[Any] = []
    pulse, start = Pulse(), time.perf_counter()
    for _ in range(iterations):
        for shown in update():
            if shown:
                now = time.perf_counter()
                rows.append([*shown, now - start])
                start = now
            if pulse.due():
                yield {"outputs": outputs, "rows": rows, "done": False}, {}
                rows = []
        if halted():
            break
    yield {"outputs": outputs, "rows": rows, "done": True}, {}
