"""A run in a few lines of Markdown, for a comment at a pull request."""

import re
from collections.abc import Iterator

from ftjob.formatting import brief, dollars, percent
from ftjob.report.comparison import Comparison
from ftjob.report.confusion import most_confused
from ftjob.report.facts import Facts
from ftjob.report.words import difference, points
from ftjob.runfolder.records.evaluation import Evaluation
from ftjob.runfolder.status import State
from jobspec.text import plain

PAIRS = 5
"""Most confused pairs in a comment."""
CLASSES = 3
"""Classes that changed most."""
MARKS = {State.SUCCEEDED: "✅", State.FAILED: "❌"}


def render_comment(facts: Facts, against: Comparison | None = None) -> str:
    """Return the comment. Names from outside are code in it: they mention, link and break nothing."""
    status = facts.status
    mark = MARKS.get(status.state, "⚠️" if status.state.ended else "⏳")
    lines = [f"### {mark} {code(status.name)}: {status.state}, accuracy {percent(facts.accuracy)}", ""]
    if status.message and status.state is not State.SUCCEEDED:
        lines += [f"{code(status.reason)}: {code(status.message)}", ""]
    lines += [*_table(facts, against), ""]
    if facts.evaluation:
        lines += [*_confused(facts.evaluation), ""]
    if against and against.classes:
        lines += [*_changed(against), ""]
    return "\n".join([*lines, f"<sub>run {code(facts.run)}</sub>", ""])


def code(text: str) -> str:
    """Return text as a code span of one line, whatever is in it."""
    line = plain(" ".join(text.split())) or " "
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def cell(text: str) -> str:
    """Return text as code in a table's cell, where a bar ends the cell even within code."""
    return code(text).replace("|", r"\|")


def _table(facts: Facts, against: Comparison | None) -> Iterator[str]:
    """Yield the figures, and in a column of their own how they stand to the other run's."""
    total, budget = facts.bill.total, facts.spec.budget if facts.spec else None
    limit = f" of {dollars(budget.usd)}" if budget and budget.usd else ""
    accuracy = points(against.accuracy) if against and against.accuracy is not None else "–"
    cost = difference(against.usd) if against else "–"
    yield f"| | this run |{f' against {cell(against.run)} |' if against else ''}"
    yield f"| :-- | --: |{' --: |' if against else ''}"
    yield f"| accuracy | {percent(facts.accuracy)} |{f' {accuracy} |' if against else ''}"
    yield f"| cost | {dollars(total.whole.usd)}{limit} |{f' {cost} |' if against else ''}"
    yield f"| time | {brief(total.whole.seconds)}, attempts: {total.attempts} |{' |' if against else ''}"
    if against and not against.same_images:
        yield ""
        yield "The two were not evaluated on the same validation images."


def _confused(evaluation: Evaluation) -> Iterator[str]:
    pairs = most_confused(evaluation, PAIRS)
    yield "**Most confused**" if pairs else "No image was given a wrong label."
    if pairs:
        yield ""
    for pair in pairs:
        taken = f"{code(pair.label)} taken for {code(pair.predicted)}"
        yield f"- {taken}: {pair.images} of {pair.of} ({percent(pair.share)})"


def _changed(against: Comparison) -> Iterator[str]:
    yield "**Changed most**"
    yield ""
    for each in against.classes[:CLASSES]:
        recalls = f"{percent(each.before)} → {percent(each.now)}"
        yield f"- {code(each.name)}: {recalls} ({points(each.change)})"
