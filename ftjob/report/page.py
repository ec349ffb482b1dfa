"""A run's page: one file of HTML with everything in it, readable without a network or a script."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from ftjob.errors import ExitCode
from ftjob.money.amount import Amount
from ftjob.report import trained
from ftjob.report.chart import Chart, Curve, Point, averaged, stepped
from ftjob.report.compare.comparison import Comparison
from ftjob.report.compare.thumbnails import Pictures, data_uri
from ftjob.report.confusion import (
    READABLE,
    Confused,
    Matrix,
    cells_of,
    most_confused,
    readable,
    weakest_first,
)
from ftjob.report.facts import Facts
from ftjob.report.lessons.advice import what_next
from ftjob.report.picture import picture_of
from ftjob.report.templating import templates
from ftjob.runfolder.charges import STAGES, Charge
from ftjob.runfolder.records.evaluation import ClassResult, Evaluation
from ftjob.runfolder.records.metrics import TestLine, TrainLine
from ftjob.runfolder.status import Status

SMOOTHED = 150
"""Points that a curve of iterations is averaged to."""
PAIRS = 12
"""Most confused pairs that are shown."""
WEAKEST = 15
"""How many classes are shown before the rest is unfolded."""
WIDE = 8
"""Classes above which the heads of the matrix's columns stand upright."""
NO_PICTURES: Pictures = MappingProxyType({})
SPENT_ON = {
    "start": "the node, the image, Python",
    "fetch": "weights and images, from the store or the cache",
    "open": "the engine and the net",
    "replay": "winding the data on after an interruption",
    "train": "iterations",
    "test": "validation images",
    "snapshot": "writing weights and solver state",
    "bundle": "what is served, and these pictures",
    "other": "time that no worker reported",
}
"""The stages of ftjob.runfolder.charges, in words."""


@dataclass(frozen=True)
class Spent:
    """One stage's share of time and money."""

    stage: str
    what: str
    amount: Amount
    share: float


@dataclass(frozen=True)
class Shown:
    """A mistake, in words and as a picture."""

    label: str
    predicted: str
    score: float
    key: str
    picture: str
    """A data URI; empty where there is none."""


@dataclass(frozen=True)
class RunPage:
    """What a run's page has to show: the names in its templates."""

    facts: Facts
    status: Status
    total: Charge
    meaning: str
    """What to do about the exit code; empty for a run that is in progress or succeeded."""
    spent: list[Spent]
    charts: list[Chart]
    classes: list[tuple[ClassResult, int | None]]
    weakest: list[ClassResult]
    many: bool
    """Whether there are more classes than a matrix in words has room for."""
    matrix: Matrix | None
    picture: str
    pairs: list[Confused]
    advice: list[str]
    mistakes: list[Shown]
    what: list[tuple[str, str]]
    layers: list[trained.TrainedLayer]
    kinds: list[tuple[str, int, int]]
    against: Comparison | None
    pictures: Pictures
    wide: int = WIDE


def page_of(facts: Facts, against: Comparison | None = None, pictures: Pictures = NO_PICTURES) -> RunPage:
    """Return what a run's page shows, with how the run stands to another, of a comparison that begins with
    that one."""
    evaluation = facts.evaluation
    return RunPage(
        facts=facts,
        status=facts.status,
        total=facts.bill.total,
        meaning=_meaning(facts),
        spent=_spent(facts),
        charts=[chart for chart in charts_of(facts) if not chart.is_empty],
        classes=_classes(facts),
        weakest=weakest_first(evaluation.classes)[:WEAKEST] if evaluation else [],
        many=evaluation is not None and _is_large(evaluation),
        matrix=readable(evaluation) if evaluation else None,
        picture=picture_of(cells_of(evaluation), len(evaluation.classes))
        if evaluation and _is_large(evaluation)
        else "",
        pairs=most_confused(evaluation, PAIRS) if evaluation else [],
        advice=what_next(facts),
        mistakes=_mistakes(facts),
        what=trained.what_was_trained(facts),
        layers=trained.layers(facts.plan) if facts.plan else [],
        kinds=trained.kinds(facts.plan) if facts.plan else [],
        against=against,
        pictures=pictures,
    )


def render_page(facts: Facts, against: Comparison | None = None, pictures: Pictures = NO_PICTURES) -> str:
    """Return the page as one file. The same facts make the same page; all that comes from outside is
    escaped."""
    return templates().get_template("page.html").render(vars(page_of(facts, against, pictures)))


def _mistakes(facts: Facts) -> list[Shown]:
    names = [each.name for each in facts.evaluation.classes] if facts.evaluation else []
    return [
        Shown(
            names[each.label],
            names[each.predicted],
            each.score,
            each.key,
            data_uri(each.picture) if each.picture else "",
        )
        for each in facts.mistakes
        if max(each.label, each.predicted) < len(names)
    ]


def _is_large(evaluation: Evaluation) -> bool:
    return len(evaluation.classes) > READABLE


def _meaning(facts: Facts) -> str:
    """Return what to do about the exit code; nothing for a run that is in progress or succeeded."""
    meanings = {code.value: code.meaning for code in ExitCode if code is not ExitCode.DONE}
    return meanings.get(facts.status.exit_code or 0, "")


def _spent(facts: Facts) -> list[Spent]:
    total = facts.bill.total
    whole = total.whole.milliseconds
    rows = ((stage, total.stages[stage]) for stage in STAGES)
    return [
        Spent(stage, SPENT_ON[stage], amount, amount.milliseconds / whole)
        for stage, amount in rows
        if amount.milliseconds
    ]


def charts_of(facts: Facts, points: int = SMOOTHED) -> list[Chart]:
    """Return the curves of loss, accuracy and learning rate, each by iteration of at most so many points."""
    rates = [(line.iteration, line.learning_rate) for line in facts.train if line.learning_rate is not None]
    return [
        Chart(
            "Loss",
            (
                averaged("training", _losses(facts.train), points),
                Curve("validation", tuple(_losses(facts.tests))),
            ),
        ),
        Chart("Accuracy on the validation images", tuple(_heads(facts)), top=100.0, unit=" %"),
        Chart("Learning rate", (stepped("learning rate", rates, points),)),
    ]


def _losses(lines: Iterable[TrainLine] | Iterable[TestLine]) -> list[Point]:
    """Return (iteration, loss) of the lines whose loss is a number."""
    return [(line.iteration, line.loss) for line in lines if line.loss is not None]


def _heads(facts: Facts) -> list[Curve]:
    """Return a curve for each head, the one whose accuracy is reported first."""
    heads = list(facts.tests[-1].heads) if facts.tests else []
    main = {head.layer for head in (facts.plan.heads if facts.plan else ()) if head.main}
    return [
        Curve(head, tuple(_head(facts, head))) for head in sorted(heads, key=lambda head: head not in main)
    ]


def _head(facts: Facts, head: str) -> Iterator[Point]:
    for test in facts.tests:
        if head in test.heads:
            yield test.iteration, 100 * test.heads[head]


def _classes(facts: Facts) -> list[tuple[ClassResult, int | None]]:
    """Return each class's results, and how many images it was trained on; None where nobody knows."""
    histogram = facts.plan.train.histogram if facts.plan else {}
    results = facts.evaluation.classes if facts.evaluation else ()
    return [(each, histogram.get(str(each.label))) for each in results]
