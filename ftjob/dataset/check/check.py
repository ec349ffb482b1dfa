"""Checks every record of a dataset, without a GPU."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ftjob.dataset.build_options import DataProgress
from ftjob.dataset.check.copies import copy_findings
from ftjob.dataset.check.counting import RecordCount
from ftjob.dataset.check.inspection import facts_of, record_count, speaking_of
from ftjob.dataset.check.scan import Wanted, scan_all
from ftjob.dataset.check.sheet import write_sheet
from ftjob.dataset.check.sizes import channel_findings, crop_findings, size_findings
from ftjob.dataset.check.survey import Survey, record_findings
from ftjob.dataset.facts import DatasetFacts, Lmdb
from ftjob.dataset.findings import Finding, label_findings, order_findings
from ftjob.dataset.mean import mean_findings
from ftjob.errors import BadDataError


@dataclass(frozen=True)
class CheckOptions:
    """How the dataset will be used, and what to check."""

    num_output: int | None = None
    crop: int | None = None
    channels: int | None = None
    """Of the net's input."""
    mean: tuple[float, ...] = ()
    """Per channel, as the training will subtract it; empty: the one recorded beside the dataset."""
    duplicates: bool = True
    sheet: Path | None = None
    """A folder for one contact sheet per class."""
    samples: int = 0
    """Images of each class whose keys are wanted."""


@dataclass(frozen=True)
class CheckReport:
    """What was found."""

    train: DatasetFacts
    val: DatasetFacts | None
    findings: tuple[Finding, ...]
    """Errors first."""
    mean: tuple[float, ...]
    """Per channel (BGR), over all pixels of train as they are stored."""
    sheets: tuple[Path, ...]
    samples: Mapping[str, Mapping[int, tuple[str, ...]]]
    """Keys of images by the location of their LMDB and their label."""
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there are no errors; there may be warnings."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """How many findings there are, in words."""
        counts = Counter(finding.severity for finding in self.findings)
        found = ", ".join(f"{count} {severity}{'s' * (count > 1)}" for severity, count in counts.items())
        return found or "nothing wrong"

    def sentence(self, finding: Finding) -> str:
        """Return a finding as a sentence, in which the datasets are called train and val."""
        text = str(finding)
        for name, facts in (("train", self.train), ("val", self.val)):
            text = text.replace(facts.location, name) if facts else text
        return text

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        values = asdict(self)
        del values["samples"]
        for name in ("train", "val"):
            if values[name] is not None:
                del values[name]["local"]
                values[name] = {"path": values[name].pop("location"), **values[name]}
        return {**values, "sheets": [str(path) for path in self.sheets], "ok": self.ok}


def check(
    train: Path | Lmdb,
    val: Path | Lmdb | None = None,
    options: CheckOptions | None = None,
    progress: Callable[[DataProgress], None] = lambda _: None,
) -> CheckReport:
    """Return all that is wrong or odd with one LMDB, or with train and val, from every record.

    Raises BadDataError only where an LMDB cannot be read at all.
    """
    began = time.monotonic()
    options = options or CheckOptions()
    surveys = _survey_all([_lmdb(each) for each in (train, val) if each is not None], options, progress)
    beside = [_facts(survey) for survey in surveys]
    facts = [each for each, _ in beside]
    findings = [*chain(*(found for _, found in beside)), *_findings(surveys, facts, options)]
    return CheckReport(
        train=facts[0],
        val=facts[1] if val else None,
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        mean=surveys[0].mean(),
        samples={each.lmdb.location: each.samples(options.samples) for each in surveys if options.samples},
        sheets=tuple(_sheets(surveys, facts, options.sheet)) if options.sheet else (),
        seconds=round(time.monotonic() - began, 3),
    )


def _facts(survey: Survey) -> tuple[DatasetFacts, list[Finding]]:
    """Return a dataset's facts, and an error where the files beside it are wrong."""
    contents = survey.census.contents()
    try:
        return facts_of(survey.lmdb, contents), []
    except BadDataError as error:
        alone = DatasetFacts(
            **vars(contents),
            location=survey.lmdb.location,
            digest="",
            labels=(),
            mean=(),
            local=survey.lmdb.path,
        )
        return alone, [Finding("error", survey.lmdb.location, str(error))]


def _findings(surveys: list[Survey], facts: list[DatasetFacts], options: CheckOptions) -> list[Finding]:
    train, val = facts[0], facts[1] if len(facts) > 1 else None
    findings = [finding for survey in surveys for finding in record_findings(survey)]
    findings += label_findings(train, val, options.num_output)
    if all(each.channels for each in facts):
        findings += channel_findings(train, val, options.channels)
        findings += size_findings(train, val, options.crop)
        findings += crop_findings(facts, options.crop) if options.crop else ()
    findings += order_findings(train)
    findings += mean_findings(surveys[0].mean(), train, options.mean)
    return findings + (copy_findings(surveys) if options.duplicates else [])


def _survey_all(
    lmdbs: list[Lmdb], options: CheckOptions, progress: Callable[[DataProgress], None]
) -> list[Survey]:
    wanted = Wanted(fingerprints=options.duplicates, tiles=options.sheet is not None)
    surveys = [Survey(lmdb) for lmdb in lmdbs]
    count = RecordCount(sum(record_count(lmdb) for lmdb in lmdbs), progress)
    for survey in surveys:
        with speaking_of(survey.lmdb):
            for scan in scan_all(survey.lmdb.path, wanted):
                survey.add(scan)
                count.add()
    return surveys


def _sheets(surveys: list[Survey], facts: list[DatasetFacts], folder: Path) -> Iterator[Path]:
    for survey, each in zip(surveys, facts, strict=True):
        for label, tiles in sorted(survey.tiles.items()):
            yield write_sheet(folder / survey.lmdb.path.name, each, label, tiles)


def _lmdb(place: Path | Lmdb) -> Lmdb:
    return Lmdb(place, str(place)) if isinstance(place, Path) else place
