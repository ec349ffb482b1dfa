"""What is wrong, or odd, with a dataset: plain values, derived from its facts alone."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from ftjob.dataset.facts import DatasetFacts
from ftjob.errors import BadDataError

Severity = Literal["error", "warning"]
IMBALANCE = 10
"""Times more images in the largest class than in the smallest, from which on it is reported."""
SHOWN = 5
"""Labels or names that are listed where more are meant."""
MOST_RECORDS = 12
"""Records that a finding names for whoever looks at their pictures."""
LEAST_IN_RUNS = 0.05
"""The share of the records in long runs of one label from which on it is reported."""
BACKGROUND = ("background", "none", "void", "dummy", "unlabeled", "unlabelled", "unknown")
"""What label files of other tools begin with, for a class that these data do not have."""
IN_BOTH = "{copies} in train and in val, such as {such}: take them out of one of the two"
TWO_LABELS = "{copies} there under two labels, such as {such}: fix the labels"
"""Of pictures that are there twice; {copies} is `3 pictures are`, and {such} names some of them."""


@dataclass(frozen=True)
class FoundRecord:
    """A record that a finding is about."""

    dataset: str
    """The location of its LMDB."""
    key: str


@dataclass(frozen=True)
class Finding:
    """One sentence about one place. An error would fail or spoil a training; a warning may be meant so."""

    severity: Severity
    where: str
    """A dataset, a record or a class."""
    message: str
    records: tuple[FoundRecord, ...] = ()
    """The first of the images that it is about, where it is about single ones."""

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
    """Return what is wrong with the labels and their names; without num_output there are as many classes as
    labels."""
    if not train.histogram:
        return []
    findings = [error(train, message) for message in _label_errors(train, num_output)]
    findings += _name_findings(train)
    if val is not None:
        findings += _val_findings(train, val)
    return findings + _balance_findings(train)


def order_findings(train: DatasetFacts) -> list[Finding]:
    """Return a warning where many records of a dataset lie in long runs of one label."""
    runs = train.long_runs
    if runs is None or runs.records < LEAST_IN_RUNS * train.records:
        return []
    return [
        warning(
            train,
            f"{runs.records} of {train.records} records lie in long runs of one label "
            f"({_class(train, runs.label)} comes {runs.longest} times in a row, from record {runs.key} on), "
            "and Caffe never shuffles: write them in random order, as `ftjob data build` and "
            "`convert_imageset -shuffle` do",
            runs.key,
        )
    ]


def error(facts: DatasetFacts, message: str, *keys: str) -> Finding:
    """Return an error of a dataset, or of those of its records."""
    return Finding("error", facts.location, message, found_records(facts.location, keys))


def warning(facts: DatasetFacts, message: str, *keys: str) -> Finding:
    """Return a warning about a dataset, or about those of its records."""
    return Finding("warning", facts.location, message, found_records(facts.location, keys))


def found_records(location: str, keys: Iterable[str]) -> tuple[FoundRecord, ...]:
    """Return the first of some records of a dataset."""
    return tuple(FoundRecord(location, key) for key in islice(keys, MOST_RECORDS))


def _label_errors(train: DatasetFacts, num_output: int | None) -> list[str]:
    least, most = min(train.histogram), max(train.histogram)
    if least == most:
        return [
            f"all records have label {least}, and a classifier needs two classes: fix the labels, or add "
            "images of another class"
        ]
    if least < 0:
        return [f"a label is {least}: number the classes from 0"]
    if least > 0:
        return [f"labels begin at {least}: number the classes from 0"]
    errors = []
    if num_output is not None and most >= num_output:
        errors.append(f"labels go up to {most}, but num_output is {num_output}: set it to {most + 1}")
    unused = (label for label in range(most) if label not in train.histogram)
    if gaps := [str(label) for label in islice(unused, SHOWN + 1)]:
        shown = ", ".join(gaps[:SHOWN]) + (" …" if len(gaps) > SHOWN else "")
        errors.append(f"no image has label {shown}: number the classes without gaps")
    single = [label for label, count in train.histogram.items() if count == 1]
    errors += [
        f"{_class(train, label)} has one image only: add some, or leave it out" for label in single[:SHOWN]
    ]
    return errors


def _name_findings(train: DatasetFacts) -> Iterator[Finding]:
    names, most = train.labels, max(train.histogram)
    if not names:
        return
    if len(names) <= most:
        yield error(
            train, f"labels go up to {most}, but labels.txt names {len(names)} classes: add the missing names"
        )
    elif len(names) == most + 2 and names[0].strip("_ ").lower() in BACKGROUND:
        yield warning(
            train,
            f"labels.txt names {len(names)} classes, the first of them {names[0]!r}, and labels go from 0 to "
            f"{most}: take that line out, unless label 0 is {names[0]!r}",
        )
    elif len(names) > most + 1:
        yield warning(
            train,
            f"labels.txt names {len(names)} classes, and labels go up to {most}: no record is of "
            f"{', '.join(map(repr, names[most + 1 :][:SHOWN]))}: take the names out, or add images",
        )
    for name, count in Counter(names).items():
        if count > 1:
            labels = [str(label) for label, each in enumerate(names) if each == name]
            yield warning(
                train,
                f"labels.txt calls labels {' and '.join(labels[:SHOWN])} {name!r}: give each a name of its "
                "own",
            )


def _val_findings(train: DatasetFacts, val: DatasetFacts) -> list[Finding]:
    findings = []
    named = [label for label in val.histogram if 0 <= label < min(len(train.labels), len(val.labels))]
    if other := [label for label in named if train.labels[label] != val.labels[label]]:
        findings.append(
            error(
                val,
                f"label {other[0]} is {val.labels[other[0]]!r} here and {train.labels[other[0]]!r} in "
                f"{train.location}: make both from the same classes (`ftjob data build TRAIN OUT --val VAL`)",
            )
        )
    if val.digest and val.digest == train.digest:
        findings.append(
            warning(
                val, f"holds the very records of {train.location}: test on images that are not trained on"
            )
        )
    if strange := sorted(set(val.histogram) - set(train.histogram)):
        findings.append(
            error(val, f"label {strange[0]} is not in {train.location}: make both from the same classes")
        )
    if missing := sorted(set(train.histogram) - set(val.histogram)):
        findings.append(
            warning(val, f"{_class(train, missing[0])} has no image here and cannot be evaluated: add some")
        )
    return findings


def _balance_findings(train: DatasetFacts) -> list[Finding]:
    largest = max(train.histogram, key=lambda label: train.histogram[label])
    smallest = min(train.histogram, key=lambda label: train.histogram[label])
    most, least = train.histogram[largest], train.histogram[smallest]
    if most < IMBALANCE * least:
        return []
    return [
        warning(
            train,
            f"{_class(train, largest)} has {most} images and {_class(train, smallest)} has {least}: "
            "a net learns to answer the large one, add images of the small one",
        )
    ]


def _class(facts: DatasetFacts, label: int) -> str:
    name = f" ({facts.labels[label]})" if 0 <= label < len(facts.labels) else ""
    return f"label {label}{name}"
