"""What is to be looked at: each object once, never by two at a time, some later; namespaces take turns."""

import heapq
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from math import inf
from typing import NamedTuple

RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0
"""Before a key is looked at again that was looked at in vain: the first time, and at most."""


def no_patience(_: str) -> float:
    """Say that nothing lets others go first: whoever came first is looked at first."""
    return 0.0


class Turn(NamedTuple):
    """A key that is to be looked at, in the order of its namespace."""

    by: float
    """When it came and its patience."""
    number: int
    """The order of coming."""
    key: str
    since: float


class WorkQueue:
    """Keys, namespace/name, to be looked at. One that is added while it is looked at comes again afterwards.

    Namespaces take turns, however many keys each of them has. Within a namespace a key lets those go first
    that come within its patience, in seconds: so that who is in a hurry need not wait for who is not, and
    nobody waits for ever. A namespace whose looks are slow has at most as many of them at a time as there are
    lookers free besides: the first up to a half of all, the next up to half of the rest.
    """

    def __init__(self, patience: Callable[[str], float] = no_patience, workers: float = inf) -> None:
        self._patience, self._workers = patience, workers
        self._ready: dict[str, list[Turn]] = defaultdict(list)
        """By namespace; none of them is empty."""
        self._turns: deque[str] = deque()
        """The namespaces in `_ready`, in the order of their turns."""
        self._busy: Counter[str] = Counter()
        """How many keys of a namespace are being looked at."""
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._later: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
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
            if due < self._due.get(key, inf):
                self._due[key] = due
                heapq.heappush(self._later, (due, key))
                self._changed.notify()

    def add_rate_limited(self, key: str) -> None:
        """Have a key looked at again that was looked at in vain, after twice as long each time."""
        with self._changed:
            times = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, min(LONGEST_RETRY_SECONDS, RETRY_SECONDS * 2.0 ** min(times - 1, 16)))

    def forget(self, key: str) -> None:
        """Say that a key was not looked at in vain."""
        with self._changed:
            self._failures.pop(key, None)

    def get(self) -> tuple[str, float] | None:
        """Wait for a key; return it with the seconds it waited. None when the queue was closed."""
        with self._changed:
            while not self._closed:
                wait = self._promote()
                turn = self._next()
                if turn is not None:
                    return turn.key, time.monotonic() - turn.since
                self._changed.wait(wait)
            return None

    def done(self, key: str) -> None:
        """Say that a key was looked at."""
        with self._changed:
            self._processing.discard(key)
            self._busy -= Counter([namespace_of(key)])  # forgets who has none left
            if key in self._dirty:
                self._queue(key)
            if self._turns:  # there is a looker more, for whichever namespace
                self._changed.notify()

    def close(self) -> None:
        """Let everybody who waits go home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._dirty)

    def _add(self, key: str) -> None:
        self._due.pop(key, None)  # whoever looks now says when to look again
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
        """Take the first key of the namespace whose turn it is, and that may have one more looker."""
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


def namespace_of(key: str) -> str:
    """Return the namespace of namespace/name."""
    return key.partition("/")[0]
