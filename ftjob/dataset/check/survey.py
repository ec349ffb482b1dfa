"""Sums up all records of one dataset."""

from collections import defaultdict
from dataclasses import dataclass, field

from ftjob.dataset.check.census import Census
from ftjob.dataset.check.duplicates import Fingerprint
from ftjob.dataset.check.scan import ImageSummary, RecordScan
from ftjob.dataset.check.sheet import Tiles, evenly
from ftjob.dataset.facts import Lmdb
from ftjob.dataset.findings import Finding, found_records
from ftjob.dataset.lmdb.datum import RecordError
from ftjob.dataset.lmdb.flaws import COLOURS
from ftjob.dataset.lmdb.read import key_text
from ftjob.dataset.mean import ChannelSums

SHOWN = 3
"""Records that a finding names."""


@dataclass
class Survey:
    """The scans of a dataset's records, summed up; those of images by position."""

    lmdb: Lmdb
    keys: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    prints: list[Fingerprint] = field(default_factory=list)
    broken: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    """By what to do: key, and what is wrong with the record."""
    odd: list[str] = field(default_factory=list)
    """Keys of those with other channels than the first."""
    blank: list[str] = field(default_factory=list)
    brightest: int = 0
    sums: ChannelSums = field(default_factory=ChannelSums)
    tiles: dict[int, Tiles] = field(default_factory=lambda: defaultdict(Tiles))
    census: Census = field(default_factory=Census)

    def add(self, scan: RecordScan) -> None:
        """Take the next record."""
        key = key_text(scan.key)
        if isinstance(scan.found, RecordError):
            self.census.add(scan.key, scan.label, None)
            self.broken[scan.found.remedy].append((key, scan.found.what))
        elif scan.label is not None:
            self.census.add(scan.key, scan.label, scan.found.shape, encoded=scan.found.encoded)
            self._add_picture(key, scan.label, scan.found)

    def mean(self) -> tuple[float, ...]:
        """Return the mean of each channel; nothing where no record is an image."""
        return self.sums.mean()

    def samples(self, most: int) -> dict[int, tuple[str, ...]]:
        """Return the keys of at most so many images of each label, from the first to the last of them."""
        keys: dict[int, list[str]] = defaultdict(list)
        for key, label in zip(self.keys, self.labels, strict=True):
            keys[label].append(key)
        return {label: tuple(evenly(keys[label], most)) for label in sorted(keys)}

    def _add_picture(self, key: str, label: int, picture: ImageSummary) -> None:
        self.keys.append(key)
        self.labels.append(label)
        self.sums.add(picture.sums, picture.shape[0] * picture.shape[1])
        self.brightest = max(self.brightest, picture.brightest)
        if self.census.shape and picture.shape[2] != self.census.shape[2]:
            self.odd.append(key)
        if picture.print is not None:
            self.prints.append(picture.print)
            if picture.print.blank:
                self.blank.append(key)
        if picture.tile is not None:
            self.tiles[label].add(picture.tile)


def record_findings(found: Survey) -> list[Finding]:
    """Return what is wrong with single records, and with all of them."""
    where = found.lmdb.location
    findings = [
        Finding(
            "error", where, f"{counted(len(records), 'record')} no image, such as {_which(records)}: {remedy}"
        )
        for remedy, records in found.broken.items()
    ]
    if found.odd and found.census.shape:
        usual = COLOURS[found.census.shape[2]]
        findings.append(
            Finding(
                "error",
                where,
                f"{counted(len(found.odd), 'record')} not {usual} as the first is, such as "
                f"{some(found.odd)}: build the dataset again, all in colour or all grey",
                found_records(where, found.odd),
            )
        )
    return findings + _blank_findings(found, where)


def _blank_findings(found: Survey, where: str) -> list[Finding]:
    if found.keys and found.brightest <= 1:
        return [
            Finding(
                "error",
                where,
                f"no value of any picture is above {found.brightest}: images of 0 to 1 were stored as bytes, "
                "which are 0 to 255: multiply by 255 before they are stored",
            )
        ]
    if not found.blank:
        return []
    return [
        Finding(
            "error" if len(found.blank) == len(found.keys) else "warning",
            where,
            f"{counted(len(found.blank), 'picture')} of one colour all over, such as "
            f"{some(found.blank)}: look whether they belong here",
            found_records(where, found.blank),
        )
    ]


def _which(records: list[tuple[str, str]]) -> str:
    """Name the first few, with what is wrong with them, once where it is the same."""
    if len({what for _, what in records}) == 1:
        return f"{some([key for key, _ in records])}, which {records[0][1]}"
    return some([f"{key}, which {what}" for key, what in records])


def counted(number: int, noun: str) -> str:
    """Return `1 record is` or `3 records are`."""
    return f"{number} {noun} is" if number == 1 else f"{number} {noun}s are"


def some(names: list[str]) -> str:
    """Return the first few names."""
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
