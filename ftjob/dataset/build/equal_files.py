"""Equal files among the images of a build, where they spoil its labels or its evaluation."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ftjob.dataset.check.survey import counted
from ftjob.dataset.findings import IN_BOTH, TWO_LABELS
from ftjob.dataset.journal import JournalLine, read_lines


def equal_files(journal: Path, sources: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence about files that are in train and in val, and about those under two labels.

    `sources` has the folder of each split's images. What was left out of the dataset does not count.
    """
    pairs = _pairs(journal)
    found = (
        (IN_BOTH, [pair for pair in pairs if pair[0].split != pair[1].split]),
        (TWO_LABELS, [pair for pair in pairs if pair[0].label != pair[1].label]),
    )
    return tuple(
        words.format(
            copies=counted(len(those), "picture"),
            such=" = ".join(f"{sources[line.split]}/{line.source}" for line in those[0]),
        )
        for words, those in found
        if those
    )


def _pairs(journal: Path) -> list[tuple[JournalLine, JournalLine]]:
    """Every file that was there before, beside the first that it equals."""
    repeated = _repeated(journal)
    equal = defaultdict(list)
    for line in read_lines(journal) if repeated else ():
        if line.key and _start(line) in repeated:
            equal[line.sha256].append(line)
    return [(lines[0], other) for lines in equal.values() for other in lines[1:]]


def _repeated(journal: Path) -> frozenset[int]:
    """The starts of digests that are there more than once: eight bytes for each image, not its line."""
    starts = np.fromiter((_start(line) for line in read_lines(journal) if line.key), dtype=np.uint64)
    values, counts = np.unique(starts, return_counts=True)
    return frozenset(values[counts > 1].tolist())


def _start(line: JournalLine) -> int:
    return int(line.sha256[:16], 16)
