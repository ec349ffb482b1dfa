"""The work queue: each key once, never for two workers at a time, some later; namespaces take turns."""

import heapq
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0
"""The pause after a key's first failure, and the longest one."""


def no_patience(_: str) -> float:
    """Return 0, so that no key lets others go first."""
    return 0.0


class Turn(NamedTuple):
    """A key in the queue of its namespace."""

    by: float
    """When it was added, plus its patience."""
    number: int
    """In the order of adding."""
    key: str
    since: float


class WorkQueue:
    """Keys, namespace/name, to reconcile. A key added while it is processed is queued again afterwards.

    Namespaces take turns, however many keys each has. Within a namespace a key lets those go first that are
    added within its patience, in seconds: urgent keys overtake others, and no key waits forever. A namespace
    whose reconciles are slow holds at most as many workers as are free besides: the first one up to half of
    all, the next one up to half of the rest.
    """

    def __init__(self, patience: Callable[[str], float] = no_patience, workers: float = inf) -> None:
        self._patience, self._workers = patience, workers
        self._ready: dict[str, list[Turn]] = defaultdict(list)
        """By namespace; none of them is empty."""
        self._turns: deque[str] = deque()
        """The namespaces in `_ready`, in the order of their turns."""
        self._busy: Counter[str] = Counter()
        """How many keys of a namespace are being processed."""
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._came = 0
        self._changed = threading.Condition()
        self._closed = False

    def add(self, key: str) -> None:
        """Queue a key for the next free worker."""
        with self._changed:
            self._add(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Queue a key after some seconds, or at an earlier time set before."""
        due = time.monotonic() + seconds
        with self._changed:
            if due < self._due.get(key, inf):
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def add_rate_limited(self, key: str) -> None:
        """Queue a key again after a failure, with a pause that doubles each time."""
        with self._changed:
            times = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, min(LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(times - 1, 16)))

    def forget(self, key: str) -> None:
        """Reset the failures of a key."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self) -> tuple[str, float] | None:
        """Wait for a key; return it with the seconds it waited, or None when the queue is closed."""
        with self._changed:
            while not self._closed:
                wait = self._promote()
                turn = self._next()
                if turn is not None:
                    return turn.key, time.monotonic() - turn.since
                self._changed.wait(wait)
            return None

    def done(self, key: str) -> None:
        """Mark a key as processed."""
        with self._changed:
            self._processing.discard(key)
            self._busy -= Counter([namespace_of(key)])  # drops namespaces at zero
            if key in self._dirty:
                self._queue(key)
            if self._turns:  # a worker is free, for whichever namespace
                self._changed.notify()

    def close(self) -> None:
        """Close the queue: every `get` returns None."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._dirty)

    def _add(self, key: str) -> None:
        self._due.pop(key, None)  # this reconcile decides when to requeue
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._queue(key)

    def _queue(self, key: str) -> None:
        now = time.monotonic()
        self._came += 1
        namespace = namespace_of(key)
        if namespace not in self._ready:
            self._turns.append(namespace)
        heapq.heappush(self._ready[namespace], Turn(now + self._patience(key), self._came, key, now))
        self._changed.notify()

    def _next(self) -> Turn | None:
        """Take the first key of the next namespace that may have another worker."""
        free = self._workers - len(self._processing)
        namespace = next((each for each in self._turns if self._busy[each] < free), None)
        if namespace is None:
            return None
        turn = heapq.heappop(self._ready[namespace])
        self._turns.remove(namespace)
        if self._ready[namespace]:
            self._turns.append(namespace)
        else:
            del self._ready[namespace]
        self._dirty.discard(turn.key)
        self._processing.add(turn.key)
        self._busy[namespace] += 1
        return turn

    def _promote(self) -> float | None:
        """Queue the keys that are due; return the seconds until the next one is."""
        now = time.monotonic()
        while self._later:
            due, key = self._later[0]
            if due > now:
                return due - now
            heapq.heappop(self._later)
            if self._due.get(key) == due:
                self._add(key)
        return None


def namespace_of(key: str) -> str:
    """Return the namespace of namespace/name."""
    return key.partition("/")[0]
