"""A dataset as its page shows it: what a check found, and small pictures."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ftjob import api
from ftjob.api.before_plan import Examination
from ftjob.dataset.check.check import CheckOptions, CheckReport
from ftjob.dataset.check.sheet import evenly
from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.findings import Finding, FoundRecord, Severity
from ftjob.report.compare.thumbnails import pictures_at
from ftjob.ui.work.jobs import Report

OF_A_CLASS = 12
"""Pictures of a class that are shown at most."""
MOST_PICTURES = 400
"""Of a dataset's classes: some 3 KB each."""
MOST_CLASSES = 1000
"""Lines of the table."""


@dataclass(frozen=True)
class ShownRecord:
    """A picture on the page."""

    number: int
    """In its address."""
    key: str
    split: str


@dataclass(frozen=True)
class ShownFinding:
    """A sentence about the data, with pictures of what it is about."""

    severity: Severity
    sentence: str
    records: tuple[ShownRecord, ...]


@dataclass(frozen=True)
class ShownClass:
    """A class with its images."""

    label: int
    name: str
    train: int
    val: int
    records: tuple[ShownRecord, ...]


class Examined:
    """What is known of a dataset, with pictures that are kept in memory."""

    def __init__(self, location: str, examination: Examination) -> None:
        self.location = location
        self.report: CheckReport = examination.report
        self.built = examination.built
        self._pictures: list[bytes] = []
        self._numbers: dict[FoundRecord, int] = {}
        self._splits = {facts.location: split for split, facts in self.splits.items()}
        for facts in self.splits.values():
            self._add_pictures(facts)

    @property
    def splits(self) -> dict[str, DatasetFacts]:
        """What train and val hold; val only where there is one."""
        report = self.report
        return {"train": report.train} | ({"val": report.val} if report.val else {})

    @property
    def largest(self) -> int:
        """The most images that a class has."""
        return max(self.report.train.histogram.values(), default=0)

    def classes(self) -> list[ShownClass]:
        """Return the classes by label, the first MOST_CLASSES of them."""
        train, val = self.report.train, self.report.val
        others = val.histogram if val else {}
        labels = sorted({*train.histogram, *others})[:MOST_CLASSES]
        return [
            ShownClass(
                label,
                train.labels[label] if 0 <= label < len(train.labels) else str(label),
                train.histogram.get(label, 0),
                others.get(label, 0),
                tuple(self._shown(self._of_class(train, label))),
            )
            for label in labels
        ]

    @property
    def more_classes(self) -> int:
        """How many classes the table leaves out."""
        return max(0, len(self.report.train.histogram) - MOST_CLASSES)

    def findings(self) -> list[ShownFinding]:
        """Return what a check found, errors first."""
        return [
            ShownFinding(each.severity, self.report.sentence(each), tuple(self._shown(each.records)))
            for each in self.report.findings
        ]

    def picture(self, number: int) -> bytes | None:
        """Return a picture as a JPEG; None where there is none of that number."""
        return self._pictures[number] if 0 <= number < len(self._pictures) else None

    def _shown(self, records: Iterable[FoundRecord]) -> Iterator[ShownRecord]:
        """Yield the records of which there is a picture."""
        for record in records:
            if record in self._numbers:
                yield ShownRecord(self._numbers[record], record.key, self._splits[record.dataset])

    def _of_class(self, facts: DatasetFacts, label: int) -> list[FoundRecord]:
        """Return as many images of a class as each may show."""
        each = max(1, min(OF_A_CLASS, MOST_PICTURES // max(1, len(facts.histogram))))
        keys = self.report.samples.get(facts.location, {}).get(label, ())
        return [FoundRecord(facts.location, key) for key in evenly(keys, each)]

    def _add_pictures(self, facts: DatasetFacts) -> None:
        """Keep the pictures of a dataset that its classes and findings show."""
        of_classes = [record for label in facts.histogram for record in self._of_class(facts, label)]
        chosen = of_classes[:MOST_PICTURES] if facts is self.report.train else []
        wanted = dict.fromkeys(record.key for record in (*chosen, *self._found_in(facts)))
        for key, picture in pictures_at(facts.local, wanted).items():
            self._numbers[FoundRecord(facts.location, key)] = len(self._pictures)
            self._pictures.append(base64.b64decode(picture))

    def _found_in(self, facts: DatasetFacts) -> Iterator[FoundRecord]:
        found: Iterable[Finding] = self.report.findings
        return (record for each in found for record in each.records if record.dataset == facts.location)


def examine(location: str, report: Report) -> Examined:
    """Check a dataset, or a folder of pictures, and fetch the pictures to show. Raises FtjobError."""
    options = CheckOptions(samples=OF_A_CLASS)
    return Examined(location, api.examine_data(location, options, lambda progress: report(str(progress))))
