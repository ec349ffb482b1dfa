"""What a report is made from: the contents of a run's folder at one moment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ftjob.fs import documents
from ftjob.report.lessons.worst import still_made
from ftjob.runfolder.address import RunReference
from ftjob.runfolder.charges import Bill, Charge
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.acceptance import Acceptance, read_acceptance
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.records.metrics import TestLine, TrainLine, read_tests, read_train, thinned
from ftjob.runfolder.records.mistakes import Mistake, read_mistakes
from ftjob.runfolder.records.plan import PlanDocument, read_plan
from ftjob.runfolder.records.predictions import Evaluated, read_evaluated
from ftjob.runfolder.status import Status
from jobspec import JobSpec, SpecError, parse_spec

T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """A run; None or empty is what it has not come to yet."""

    status: Status
    bill: Bill
    """A row for each attempt: those of `ftjob cost --attempts`."""
    spec_text: str = ""
    spec: JobSpec | None = None
    """None also where it cannot be read by this version of ftjob."""
    plan: PlanDocument | None = None
    evaluated: Evaluated | None = None
    """How the bundled snapshot did on data.val."""
    acceptance: Acceptance | None = None
    mistakes: tuple[Mistake, ...] = ()
    """The surest wrong answers on data.val."""
    train: tuple[TrainLine, ...] = ()
    """The lines of metrics/train.jsonl; of very many, every second, fourth … one."""
    tests: tuple[TestLine, ...] = ()
    """The lines of metrics/test.jsonl."""

    @property
    def run(self) -> str:
        """NAME/ID, and only the name while nobody has planned it."""
        return str(RunReference(self.status.name, self.status.run_id))

    @property
    def evaluation(self) -> Evaluation | None:
        """How the bundled snapshot did on data.val, without the answers to each image."""
        return self.evaluated.evaluation if self.evaluated else None

    @property
    def accuracy(self) -> float | None:
        """Of the bundled snapshot; while there is none, of the best test."""
        if self.evaluation:
            return self.evaluation.accuracy
        known = [test.accuracy for test in self.tests]
        return max(known, default=self.status.best_accuracy or self.status.accuracy)


def read_facts(folder: RunFolder, status: Status, rows: Iterable[Charge]) -> Facts:
    """Read what a run's folder on this disk has; `rows` are its attempts' costs.

    Raises StorageError, naming the file, where one is there and cannot be read.
    """
    text = _text(folder.spec)
    evaluated = read_evaluated(folder.evaluation, folder.predictions)
    mistakes = _document(folder.mistakes, read_mistakes) or ()
    return Facts(
        status=status,
        bill=Bill(tuple(rows)),
        spec_text=text,
        spec=_spec(text),
        plan=_document(folder.plan, read_plan),
        evaluated=evaluated,
        mistakes=still_made(mistakes, evaluated.predictions if evaluated else None),
        acceptance=_document(folder.acceptance, read_acceptance),
        train=_lines(folder.train_metrics, read_train),
        tests=_lines(folder.test_metrics, read_tests),
    )


def _spec(text: str) -> JobSpec | None:
    try:
        return parse_spec(text, "spec.yaml") if text else None
    except SpecError:
        return None


def _text(path: Path) -> str:
    with documents.explained(path):
        return documents.read_text(path) if path.exists() else ""


def _document(path: Path, read: Callable[[Path], T]) -> T | None:
    with documents.explained(path):
        return read(path) if path.exists() else None


def _lines(path: Path, read: Callable[[Path], Iterable[T]]) -> tuple[T, ...]:
    with documents.explained(path):
        return tuple(thinned(read(path)))
