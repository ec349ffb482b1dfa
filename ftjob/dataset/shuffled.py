"""Whether records are shuffled, judging by long runs of one label: Caffe reads them in order."""

from collections import Counter
from math import inf, lgamma, log

from ftjob.dataset.facts import LongRuns
from ftjob.dataset.lmdb.read import key_text

RATE = 1e-4
"""The share of shuffled datasets, at most, that have a long run of any label."""


class Runs:
    """The labels of a dataset as they follow one another."""

    def __init__(self) -> None:
        self._lengths: Counter[tuple[int, int]] = Counter()
        """How often a label comes so many times in a row."""
        self._longest: dict[int, tuple[int, bytes]] = {}
        """The longest run of a label, and the key of its first record."""
        self._label, self._length, self._key = 0, 0, b""

    def add(self, label: int, key: bytes) -> None:
        """Take the next record."""
        if label == self._label and self._length:
            self._length += 1
            return
        self._end()
        self._label, self._length, self._key = label, 1, key

    def long(self) -> LongRuns | None:
        """Return the long runs, for which the last record has been taken; None where there are none."""
        self._end()
        self._length = 0
        counts: Counter[int] = Counter()
        for (label, length), number in self._lengths.items():
            counts[label] += length * number
        total, rate = counts.total(), RATE / max(1, len(counts))
        long = {
            (label, length): number
            for (label, length), number in self._lengths.items()
            if log_chance(length, counts[label], total) <= log(rate)
        }
        if not long:
            return None
        label, longest = max(long, key=lambda each: (each[1], -each[0]))
        records = sum(length * number for (_, length), number in long.items())
        return LongRuns(records, longest, label, key_text(self._longest[label][1]))

    def _end(self) -> None:
        if not self._length:
            return
        self._lengths[self._label, self._length] += 1
        if self._length > self._longest.get(self._label, (0, b""))[0]:
            self._longest[self._label] = self._length, self._key


def log_chance(length: int, count: int, total: int) -> float:
    """Return the logarithm of what a label's chance of coming `length` times in a row is at most, where
    `count` of `total` records have it and their order is random.

    It is the expected number of places where such a run begins, (total - length + 1) of them, and at each the
    chance is C(total - length, count - length) / C(total, count).
    """
    if length > count:
        return -inf
    places = log(total - length + 1)
    return (
        places
        + lgamma(total - length + 1)
        - lgamma(count - length + 1)
        - lgamma(total + 1)
        + lgamma(count + 1)
    )
