"""Updates made one after another, and told of as they are made."""

from __future__ import annotations

import time
from typing import Any, Callable, Iterator, List, Tuple

from ftjob.engine.process import wire

TELL_SECONDS = 0.2
Update = Tuple[int, float, List[float], float]
"""What one update shows: iteration, loss, outputs, learning rate."""


def steps(
    iterations: int, halted: Callable[[], bool], outputs: List[str], update: Callable[[], Update]
) -> Iterator[wire.Frame]:
    """Update that many times, or until halted; yield a frame with the rows of every 0.2 s.

    A row is an update's, and the seconds it took.
    """
    rows: List[Any] = []
    sent = start = time.perf_counter()
    for _ in range(iterations):
        done = update()
        now = time.perf_counter()
        rows.append([*done, now - start])
        start = now
        if halted():
            break
        if now - sent > TELL_SECONDS:
            yield {"outputs": outputs, "rows": rows, "done": False}, {}
            sent, rows = now, []
    yield {"outputs": outputs, "rows": rows, "done": True}, {}
