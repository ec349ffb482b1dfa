"""Copies of a picture, and what they spoil: training, evaluation or the labels."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftjob.dataset.check.duplicates import Pairs, exact_pairs, near_pairs
from ftjob.dataset.check.survey import SHOWN, Survey, counted, some
from ftjob.dataset.facts import Lmdb
from ftjob.dataset.findings import IN_BOTH, MOST_RECORDS, TWO_LABELS, Finding, FoundRecord, Severity

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Pictures:
    """All pictures of all datasets, one after the other."""

    lmdbs: list[Lmdb]
    keys: list[str]
    labels: NDArray[np.int64]
    datasets: NDArray[np.int64]
    """Which of the LMDBs each is in."""

    def name(self, picture: int) -> str:
        """What a sentence calls it."""
        return f"{self.lmdbs[self.datasets[picture]].path.name}/{self.keys[picture]}"

    def record(self, picture: int) -> FoundRecord:
        """Where it is."""
        return FoundRecord(self.lmdbs[self.datasets[picture]].location, self.keys[picture])

    def across(self, pairs: Pairs) -> Mask:
        return np.asarray(self.datasets[pairs[:, 0]] != self.datasets[pairs[:, 1]])

    def two_labels(self, pairs: Pairs) -> Mask:
        return np.asarray(self.labels[pairs[:, 0]] != self.labels[pairs[:, 1]])

    def neither(self, pairs: Pairs) -> Mask:
        return ~self.across(pairs) & ~self.two_labels(pairs)


@dataclass(frozen=True)
class _Rule:
    applies: Callable[[_Pictures, Pairs], Mask]
    severity: Severity
    """Of equal pictures; pictures that are nearly the same are a warning."""
    exact: str
    near: str
    """With {copies}, `3 pictures are`, and {such}, some of the pairs."""


RULES = (
    _Rule(
        _Pictures.across,
        "error",
        exact=IN_BOTH,
        near="{copies} nearly as in train, such as {such}: take copies out of one of the two",
    ),
    _Rule(
        _Pictures.two_labels,
        "error",
        exact=TWO_LABELS,
        near="{copies} nearly as one of another label, such as {such}: look which label is right",
    ),
    _Rule(
        _Pictures.neither,
        "warning",
        exact="{copies} there more than once, such as {such}: remove the copies",
        near="{copies} nearly as another, such as {such}: remove copies",
    ),
)


def copy_findings(surveys: list[Survey]) -> list[Finding]:
    """Return the pictures that are there twice: exactly or nearly, in one dataset or in train and val.

    The same picture in train and val makes every accuracy too good, and the same picture under two labels
    cannot be learned: errors where it is exact. All else is a warning.
    """
    pictures = _Pictures(
        lmdbs=[survey.lmdb for survey in surveys],
        keys=[key for survey in surveys for key in survey.keys],
        labels=np.array([label for survey in surveys for label in survey.labels]),
        datasets=np.repeat(np.arange(len(surveys)), [len(survey.keys) for survey in surveys]),
    )
    prints = [each for survey in surveys for each in survey.prints]
    where = " and ".join(survey.lmdb.location for survey in surveys)
    return [
        *_findings(pictures, [exact_pairs(prints)], where, nearly=False),
        *_findings(pictures, near_pairs(prints), where, nearly=True),
    ]


class _Matches:
    """The pictures that a rule applies to."""

    def __init__(self, pictures: _Pictures) -> None:
        self._pictures = pictures
        self.copies: Mask = np.zeros(len(pictures.keys), dtype=bool)
        self.such: list[str] = []
        self.records: list[FoundRecord] = []

    def add(self, pairs: Pairs) -> None:
        self.copies[pairs[:, 1]] = True
        first = pairs[: SHOWN + 1 - len(self.such)]
        name, record = self._pictures.name, self._pictures.record
        self.such += [f"{name(left)} = {name(right)}" for left, right in first]
        self.records += [record(each) for pair in pairs[: MOST_RECORDS // 2] for each in pair]


def _findings(pictures: _Pictures, found: Iterable[Pairs], where: str, *, nearly: bool) -> list[Finding]:
    matches = [_Matches(pictures) for _ in RULES]
    for pairs in found:
        for rule, match in zip(RULES, matches, strict=True):
            match.add(pairs[rule.applies(pictures, pairs)])
    return [
        Finding(
            "warning" if nearly else rule.severity,
            where,
            (rule.near if nearly else rule.exact).format(
                copies=counted(int(match.copies.sum()), "picture"), such=some(match.such)
            ),
            tuple(dict.fromkeys(match.records[:MOST_RECORDS])),
        )
        for rule, match in zip(RULES, matches, strict=True)
        if match.such
    ]
