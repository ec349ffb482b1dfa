"""What is wrong, or odd, with a dataset: plain values, told from its facts alone."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ftjob.data.facts import DatasetFacts
from ftjob.errors import BadDataError

Severity = Literal["error", "warning"]
IMBALANCE = 10
"""Times more images in the largest class than in the smallest, from which on it is told."""


@dataclass(frozen=True)
class Finding:
    """One sentence about one place. An error would fail or spoil a training; a warning may be meant so."""

    severity: Severity
    where: str
    """A dataset, a record or a class."""
    message: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def refuse_errors(findings: Iterable[Finding]) -> None:
    """Raise BadDataError with the first error among findings."""
    for finding in findings:
        if finding.severity == "error":
            raise BadDataError(str(finding))


def label_findings(train: DatasetFacts, val: DatasetFacts | None, num_output: int | None) -> list[Finding]:
    """Return what is wrong with the labels; without num_output there are as many classes as labels."""
    findings = [_error(train, message) for message in _label_errors(train, num_output)]
    if train.labels and len(train.labels) <= max(train.histogram):
        findings.append(
            _error(
                train,
                f"labels go up to {max(train.histogram)}, but labels.txt names {len(train.labels)} classes: "
                "add the missing names",
            )
        )
    if val is not None:
        findings += _val_findings(train, val)
    return findings + _balance_findings(train)


def shape_findings(facts: DatasetFacts, crop: int | None, channels: int | None = None) -> list[Finding]:
    """Return what is wrong with the size and channels of a dataset's first record."""
    findings = []
    if crop is not None and crop > min(facts.height, facts.width):
        findings.append(
            _error(
                facts,
                f"images are {facts.width}x{facts.height}, smaller than the crop of {crop}: "
                "make the crop smaller or build larger images",
            )
        )
    if channels is not None and channels != facts.channels:
        findings.append(
            _error(
                facts,
                f"images have {facts.channels} channels and the net takes {channels}: "
                "build the dataset in colour for 3, grey for 1",
            )
        )
    return findings


def _label_errors(train: DatasetFacts, num_output: int | None) -> list[str]:
    least, most = min(train.histogram), max(train.histogram)
    if least < 0:
        return [f"a label is {least}: number the classes from 0"]
    if least > 0:
        return [f"labels begin at {least}: number the classes from 0"]
    errors = []
    if num_output is not None and most >= num_output:
        errors.append(f"labels go up to {most}, but num_output is {num_output}: set it to {most + 1}")
    gaps = [str(label) for label in range(most) if label not in train.histogram]
    if gaps:
        told = ", ".join(gaps[:5]) + (" …" if len(gaps) > 5 else "")
        errors.append(f"no image has label {told}: number the classes without gaps")
    single = [label for label, count in train.histogram.items() if count == 1]
    errors += [
        f"{_class(train, label)} has one image only: add some, or leave it out" for label in single[:5]
    ]
    return errors


def _val_findings(train: DatasetFacts, val: DatasetFacts) -> list[Finding]:
    findings = []
    if strange := sorted(set(val.histogram) - set(train.histogram)):
        findings.append(
            _error(val, f"label {strange[0]} is not in {train.location}: make both from the same classes")
        )
    if missing := sorted(set(train.histogram) - set(val.histogram)):
        findings.append(
            _warning(val, f"{_class(train, missing[0])} has no image here, it cannot be judged: add some")
        )
    if (val.height, val.width, val.channels) != (train.height, train.width, train.channels):
        findings.append(
            _warning(
                val,
                f"images are {val.width}x{val.height}x{val.channels}, those of train "
                f"{train.width}x{train.height}x{train.channels}: build both with the same options",
            )
        )
    return findings


def _balance_findings(train: DatasetFacts) -> list[Finding]:
    largest = max(train.histogram, key=lambda label: train.histogram[label])
    smallest = min(train.histogram, key=lambda label: train.histogram[label])
    most, least = train.histogram[largest], train.histogram[smallest]
    if most < IMBALANCE * least:
        return []
    return [
        _warning(
            train,
            f"{_class(train, largest)} has {most} images and {_class(train, smallest)} has {least}: "
            "a net learns to answer the large one, add images of the small one",
        )
    ]


def _class(facts: DatasetFacts, label: int) -> str:
    name = f" ({facts.labels[label]})" if 0 <= label < len(facts.labels) else ""
    return f"label {label}{name}"


def _error(facts: DatasetFacts, message: str) -> Finding:
    return Finding("error", facts.location, message)


def _warning(facts: DatasetFacts, message: str) -> Finding:
    return Finding("warning", facts.location, message)
