"""All records of one dataset, summed up."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ftjob.data.duplicates import Fingerprint
from ftjob.data.facts import DatasetFacts
from ftjob.data.findings import Finding
from ftjob.data.scan import Look
from ftjob.data.sheet import MOST

TOLD = 3
"""Records that a finding names."""


@dataclass
class Survey:
    """What a dataset's records showed, those that are images by place."""

    facts: DatasetFacts
    keys: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    prints: list[Fingerprint] = field(default_factory=list)
    shapes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    """Key and problem of records that are no images."""
    blank: list[str] = field(default_factory=list)
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))
    pixels: int = 0
    tiles: dict[int, list[NDArray[np.uint8]]] = field(default_factory=lambda: defaultdict(list))
    _seen: Counter[int] = field(default_factory=Counter)

    def mean(self) -> tuple[float, ...]:
        """Return the mean of each channel; nothing where no record is an image."""
        if not self.pixels:
            return ()
        return tuple(float(value) for value in self.sums[: self.facts.channels] / self.pixels)

    def add(self, look: Look) -> None:
        """Count one record."""
        if look.problem:
            self.broken.append(f"{look.key}, which {look.problem}")
            return
        self.keys.append(look.key)
        self.labels.append(look.label)
        self.shapes[look.shape] += 1
        self.sums[: len(look.sums)] += look.sums
        self.pixels += look.shape[0] * look.shape[1]
        if look.print is not None:
            self.prints.append(look.print)
            if look.print.blank:
                self.blank.append(look.key)
        self._keep_tile(look)

    def _keep_tile(self, look: Look) -> None:
        """Keep every so many-th picture of a class, so that a sheet shows the whole of it."""
        step = -(-self.facts.histogram[look.label] // MOST)
        if look.tile is not None and self._seen[look.label] % step == 0:
            self.tiles[look.label].append(look.tile)
        self._seen[look.label] += 1


def record_findings(found: Survey, crop: int | None) -> list[Finding]:
    """Return what is wrong with single records."""
    where = found.facts.location
    findings = []
    if found.broken:
        findings.append(
            Finding(
                "error",
                where,
                f"{counted(len(found.broken), 'record')} no image, such as {some(found.broken)}: "
                "build the dataset again without them",
            )
        )
    if found.blank:
        findings.append(
            Finding(
                "warning",
                where,
                f"{counted(len(found.blank), 'picture')} of one colour all over, such as "
                f"{some(found.blank)}: look whether they belong here",
            )
        )
    return findings + _shape_findings(found, where, crop)


def _shape_findings(found: Survey, where: str, crop: int | None) -> list[Finding]:
    """Caffe makes its data blob for the first record; without a crop another size ends the training."""
    usual = (found.facts.height, found.facts.width, found.facts.channels)
    odd = {shape: number for shape, number in found.shapes.items() if shape != usual}
    if not odd:
        return []
    shape = max(odd, key=lambda one: odd[one])
    number = counted(sum(odd.values()), "record")
    fits = crop is not None and all(min(one[:2]) >= crop and one[2] == usual[2] for one in odd)
    return [
        Finding(
            "warning" if fits else "error",
            where,
            f"{number} not {_by(usual)} as the first is, but for instance {_by(shape)}: "
            "build the dataset again, all in one size",
        )
    ]


def _by(shape: tuple[int, ...]) -> str:
    height, width, channels = shape
    return f"{width}x{height}x{channels}"


def counted(number: int, noun: str) -> str:
    """Return `1 record is` or `3 records are`."""
    return f"{number} {noun} is" if number == 1 else f"{number} {noun}s are"


def some(names: list[str]) -> str:
    """Return the first few names."""
    return ", ".join(names[:TOLD]) + (" …" if len(names) > TOLD else "")
