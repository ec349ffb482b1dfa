"""What a report is made from: all that a run's folder tells at one moment."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftjob import documents, records
from ftjob.cost import Bill, Charge
from ftjob.layout import RunFolder
from ftjob.runfolder.address import RunReference
from ftjob.status import Status
from jobspec import JobSpec, SpecError, parse_spec


@dataclass(frozen=True)
class Facts:
    """A run; None or empty is what it has not come to yet."""

    status: Status
    bill: Bill
    """A row for each attempt: what `ftjob cost --attempts` tells."""
    spec_text: str = ""
    spec: JobSpec | None = None
    """None also where it cannot be read by this version of ftjob."""
    plan: dict[str, Any] = field(default_factory=dict)
    """plan.json."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """evaluation.json."""
    train: tuple[dict[str, Any], ...] = ()
    """The lines of metrics/train.jsonl; of very many, every second, fourth … one."""
    tests: tuple[dict[str, Any], ...] = ()
    """The lines of metrics/test.jsonl."""

    @property
    def run(self) -> str:
        """NAME/ID, and only the name while nobody has planned it."""
        return str(RunReference(self.status.name, self.status.run_id))

    @property
    def accuracy(self) -> float | None:
        """Of the bundled snapshot; while there is none, of the best test."""
        if self.evaluation:
            return float(self.evaluation["accuracy"])
        known = [float(test["accuracy"]) for test in self.tests]
        return max(known, default=self.status.best_accuracy or self.status.accuracy)


def read_facts(folder: RunFolder, status: Status, rows: Iterable[Charge]) -> Facts:
    """Read what a run's folder on this disk has; `rows` are its attempts' costs.

    Raises StorageError, naming the file, where one is there and cannot be read.
    """
    text = _text(folder.spec)
    return Facts(
        status=status,
        bill=Bill(tuple(rows)),
        spec_text=text,
        spec=_spec(text),
        plan=_values(folder.plan, records.read_plan),
        evaluation=_values(folder.evaluation, records.read_evaluation),
        train=_lines(folder.train_metrics, records.read_train),
        tests=_lines(folder.test_metrics, records.read_tests),
    )


def _spec(text: str) -> JobSpec | None:
    try:
        return parse_spec(text, "spec.yaml") if text else None
    except SpecError:
        return None


def _text(path: Path) -> str:
    with documents.explained(path):
        return documents.read_text(path) if path.exists() else ""


def _values(path: Path, read: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    with documents.explained(path):
        return read(path) if path.exists() else {}


def _lines(path: Path, read: Callable[[Path], Iterable[dict[str, Any]]]) -> tuple[dict[str, Any], ...]:
    with documents.explained(path):
        return tuple(records.thinned(read(path)))
