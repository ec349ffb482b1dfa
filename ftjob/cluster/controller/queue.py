"""What is to be looked at: each object once, never by two at a time, some later, the most urgent first."""

import heapq
import threading
import time
from collections.abc import Callable

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0
"""Before a key is looked at again that was looked at in vain: the first time, and at most."""


def no_patience(_: str) -> float:
    """Say that nothing lets others go first: whoever came first is looked at first."""
    return 0.0


class WorkQueue:
    """Keys to be looked at. One that is added while it is being looked at comes again afterwards.

    Where many wait, a key lets those go first that come within its patience, in seconds: so that who is in
    a hurry need not wait for who is not, and nobody waits for ever.
    """

    def __init__(self, patience: Callable[[str], float] = no_patience) -> None:
        self._patience = patience
        self._ready: list[tuple[float, int, str, float]] = []
        """By turn: when it came and its patience. Then by number, the order of coming."""
        self._waiting: set[str] = set()
        self._taken: set[str] = set()
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._in_vain: dict[str, int] = {}
        self._came = 0
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: str) -> None:
        """Have a key looked at as soon as somebody is free."""
        with self._changed:
            self._add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Have a key looked at after a while, or earlier where that was asked for before."""
        due = time.monotonic() + seconds
        with self._changed:
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def add_again(self, key: str) -> None:
        """Have a key looked at again that was looked at in vain, after twice as long each time."""
        with self._changed:
            times = self._in_vain[key] = self._in_vain.get(key, 0) + 1
        self.add_after(key, min(LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(times - 1, 16)))

    def forget(self, key: str) -> None:
        """Say that a key was not looked at in vain."""
        with self._changed:
            self._in_vain.pop(key, None)

    def get(self) -> tuple[str, float] | None:
        """Wait for a key; return it with the seconds it waited. None when the queue was closed."""
        with self._changed:
            while not self._closed:
                wait = self._promote()
                if self._ready:
                    _, _, key, since = heapq.heappop(self._ready)
                    self._waiting.discard(key)
                    self._taken.add(key)
                    return key, time.monotonic() - since
                self._changed.wait(wait)
            return None

    def done(self, key: str) -> None:
        """Say that a key was looked at."""
        with self._changed:
            self._taken.discard(key)
            if key in self._waiting:
                self._queue(key)

    def close(self) -> None:
        """Let everybody who waits go home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._waiting)

    def _add(self, key: str) -> None:
        self._due.pop(key, None)  # whoever looks now says when to look again
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._taken:
            self._queue(key)

    def _queue(self, key: str) -> None:
        now = time.monotonic()
        self._came += 1
        heapq.heappush(self._ready, (now + self._patience(key), self._came, key, now))
        self._changed.notify()

    def _promote(self) -> float | None:
        """Move what is due to the ready ones; return the seconds until the next is."""
        now = time.monotonic()
        while self._later:
            due, key = self._later[0]
            if due > now:
                return due - now
            heapq.heappop(self._later)
            if self._due.get(key) == due:
                self._add(key)
        return None
