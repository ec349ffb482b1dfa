"""Everything that can be wrong with a dataset, found without a GPU."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftjob.data.copies import copy_findings
from ftjob.data.facts import DatasetFacts, Lmdb
from ftjob.data.findings import Finding, label_findings, shape_findings
from ftjob.data.meaning import mean_findings
from ftjob.data.options import Progress
from ftjob.data.read import inspect
from ftjob.data.scan import Wanted, look_at_all
from ftjob.data.sheet import write_sheet
from ftjob.data.survey import Survey, record_findings

PROGRESS_SECONDS = 0.1


@dataclass(frozen=True)
class CheckOptions:
    """What the dataset is going to be used for, and how much is looked at."""

    num_output: int | None = None
    crop: int | None = None
    channels: int | None = None
    """Of the net's input."""
    mean: tuple[float, ...] = ()
    """Per channel, as the training will subtract it; empty: the one recorded beside the dataset."""
    duplicates: bool = True
    sheet: Path | None = None
    """A folder for one contact sheet per class."""


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
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings there may be."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        values = asdict(self)
        for name in ("train", "val"):
            if values[name] is not None:
                del values[name]["local"]
                values[name] = {"path": values[name].pop("location"), **values[name]}
        return {**values, "sheets": [str(path) for path in self.sheets], "ok": self.ok}


def check(
    train: Path | Lmdb,
    val: Path | Lmdb | None = None,
    options: CheckOptions | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> CheckReport:
    """Look at every record of one LMDB, or of train and val, and return all that is wrong or odd.

    Raises BadDataError only where an LMDB cannot be read at all.
    """
    began = time.monotonic()
    options = options or CheckOptions()
    facts = [inspect(lmdb, believe_manifest=False) for lmdb in (train, val) if lmdb is not None]
    surveys = _survey_all(facts, options, _Teller(sum(one.records for one in facts), progress))
    findings = label_findings(facts[0], facts[1] if val else None, options.num_output)
    for one in surveys:
        findings += shape_findings(one.facts, options.crop, options.channels)
        findings += record_findings(one, options.crop)
    findings += mean_findings(surveys[0], options.mean)
    if options.duplicates:
        findings += copy_findings(surveys)
    return CheckReport(
        train=facts[0],
        val=facts[1] if val else None,
        findings=tuple(sorted(findings, key=lambda finding: finding.severity)),
        mean=surveys[0].mean(),
        sheets=tuple(_sheets(surveys, options.sheet)) if options.sheet else (),
        seconds=round(time.monotonic() - began, 3),
    )


class _Teller:
    """Counts records over several datasets, and tells now and then."""

    def __init__(self, total: int, progress: Callable[[Progress], None]) -> None:
        self._total, self._progress, self._done = total, progress, 0
        self._began = self._told = time.monotonic()

    def __call__(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._told > PROGRESS_SECONDS or self._done == self._total:
            self._told = now
            speed = self._done / max(now - self._began, 1e-9)
            self._progress(Progress(self._done, self._total, speed, (self._total - self._done) / speed, 0))


def _survey_all(facts: list[DatasetFacts], options: CheckOptions, tell: _Teller) -> list[Survey]:
    wanted = Wanted(fingerprints=options.duplicates, tiles=options.sheet is not None)
    surveys = [Survey(one) for one in facts]
    for one in surveys:
        for look in look_at_all(one.facts.path, wanted):
            one.add(look)
            tell()
    return surveys


def _sheets(surveys: list[Survey], folder: Path) -> Iterator[Path]:
    for one in surveys:
        for label, tiles in sorted(one.tiles.items()):
            yield write_sheet(folder / one.facts.path.name, one.facts, label, tiles)
