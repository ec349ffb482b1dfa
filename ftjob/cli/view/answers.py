"""A model's answers to pictures, as lines, rows and a table of what it takes for what."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import percent
from ftjob.report.confusion import READABLE, most_confused, readable

if TYPE_CHECKING:
    from ftjob.answers.answer import PictureAnswer
    from ftjob.runfolder.records.evaluation import Evaluation

PAIRS = 10
"""Most confused pairs shown."""
DIGITS = 6
"""Decimals of a probability in a table."""


def text_lines(answers: "Iterable[PictureAnswer]") -> Iterator[str]:
    """Yield a line for every picture that has an answer."""
    for answer in answers:
        if not answer.problem:
            guesses = ", ".join(f"{guess.name} {percent(guess.probability)}" for guess in answer.guesses)
            yield f"{answer.picture}: {guesses}\n"


def csv_lines(answers: "Iterable[PictureAnswer]", top: int) -> Iterator[str]:
    """Yield a heading, and a row for every picture; of one without an answer the reason."""
    numbers = range(1, top + 1)
    yield _row(["image", *(name for at in numbers for name in (f"class{at}", f"probability{at}")), "problem"])
    for answer in answers:
        cells = [cell for guess in answer.guesses for cell in (guess.name, f"{guess.probability:.{DIGITS}f}")]
        yield _row([answer.picture, *cells, *[""] * (2 * top - len(cells)), answer.problem])


def _row(cells: list[str]) -> str:
    """Return cells as a line of CSV; a spreadsheet takes none of them for a formula."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_inert(cell) for cell in cells])
    return line.getvalue()


def _inert(cell: str) -> str:
    """Return a cell that begins like a formula with an apostrophe before it (OWASP, CSV injection)."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def counted(evaluation: "Evaluation") -> RenderableType:
    """Return the accuracy, the confusion matrix of few classes, and the pairs most confused."""
    head = f"\n{percent(evaluation.accuracy)} of {evaluation.images:,} images right"
    top5 = "" if evaluation.top5 is None else f", {percent(evaluation.top5)} within the first five"
    parts: list[RenderableType] = [Text(head + top5, "bold")]
    if len(evaluation.classes) <= READABLE:
        parts += ["", _matrix(evaluation)]
    pairs = most_confused(evaluation, PAIRS)
    parts += [""] if pairs else []
    parts += [
        f"{pair.label} taken for {pair.predicted}: {pair.images} of {pair.of} ({percent(pair.share)})"
        for pair in pairs
    ]
    return Group(*parts)


def _matrix(evaluation: "Evaluation") -> Table:
    """Return the confusion matrix: a row for each class, a column for each label given."""
    matrix = readable(evaluation)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("CLASS", overflow="fold", min_width=8)
    table.add_column("RECALL", justify="right", no_wrap=True)
    for name in matrix.names:
        table.add_column(name, justify="right", overflow="ellipsis", no_wrap=True, min_width=3)
    recalls = [each.recall for each in evaluation.classes]
    for label, (name, row) in enumerate(zip(matrix.names, matrix.counts, strict=True)):
        cells = [
            Text(str(images) if images else "·", "green" if label == given else "red" if images else "dim")
            for given, images in enumerate(row)
        ]
        table.add_row(name, percent(recalls[label]), *cells)
    return table
