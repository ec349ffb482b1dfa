"""The true time, and what is to happen in it: from event to event, not second by second."""

import heapq
from collections.abc import Callable
from itertools import count

from tests.cluster.unit.builders import NOW


class Clockwork:
    """Whole seconds since 1970, as Kubernetes has them."""

    def __init__(self) -> None:
        self.now = int(NOW)
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Have something happen, at the earliest now."""
        heapq.heappush(self._events, (max(self.now, int(when)), next(self._serial), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        self.at(self.now + seconds, what)

    def step(self) -> bool:
        """Let the next thing happen; return whether there was any."""
        if not self._events:
            return False
        self.now, _, what = heapq.heappop(self._events)
        what()
        return True
