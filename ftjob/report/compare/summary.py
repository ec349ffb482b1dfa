"""A comparison as Markdown, for a pull request or a CI job's summary."""

from collections.abc import Iterator, Sequence

from ftjob.formatting import brief, dollars, percent
from ftjob.report.ci.codespan import cell, code
from ftjob.report.compare.comparison import ChangedImage, ClassRecalls, Comparison, Difference
from ftjob.report.compare.differences import FieldValues
from ftjob.report.compare.phrases import THAN, basis
from ftjob.report.words import points, span

CLASSES = 10
"""Classes that changed most."""
IMAGES = 5
"""Changed images that are named, each way."""
FIELDS = 30
"""Fields of the specs that differ."""


def render_summary(comparison: Comparison) -> str:
    """Return the Markdown. Names from outside are code in it."""
    first = comparison.runs[0].run
    lines = [f"### {len(comparison.runs)} runs against {code(first)}", "", *_runs(comparison), ""]
    for each in comparison.differences:
        lines += [verdict(each, first), "", *_images(each)]
    lines += [*_classes(comparison), *_spec(comparison)]
    return "\n".join(lines)


def verdict(difference: Difference, first: str) -> str:
    """Return how a run stands to the first, in a sentence."""
    if difference.verdict is None:
        return f"{code(difference.run)} cannot be compared with {code(first)}. {basis(difference)}"
    than = THAN[difference.verdict]
    return f"{code(difference.run)} is **{than}** {code(first)}: {basis(difference)}"


def _runs(comparison: Comparison) -> Iterator[str]:
    yield "| run | accuracy | 95% interval | difference | verdict | cost | time |"
    yield "| :-- | --: | --: | --: | :-- | --: | --: |"
    stands = [None, *comparison.differences]
    for run, difference in zip(comparison.runs, stands, strict=True):
        accuracy = difference.accuracy if difference else None
        judged = difference.verdict if difference else None
        cells = (
            cell(run.run),
            percent(run.accuracy),
            span(run.interval),
            "–" if accuracy is None else points(accuracy),
            judged or "–",
            dollars(run.usd),
            brief(run.seconds),
        )
        yield f"| {' | '.join(cells)} |"
        for stage in run.stages:
            own = (percent(stage.accuracy), "–", "–", "–", dollars(stage.usd), brief(stage.seconds))
            yield f"| stage {cell(stage.name)} | {' | '.join(own)} |"


def _images(difference: Difference) -> Iterator[str]:
    for title, images in (("Became right", difference.gained), ("Became wrong", difference.lost)):
        if images:
            yield f"**{title}** ({len(images)})"
            yield ""
            yield from map(_image, images[:IMAGES])
            yield ""


def _image(image: ChangedImage) -> str:
    return f"- {code(image.key)}: {code(image.before)} → {code(image.now)}, of {code(image.label)}"


def changed(classes: Sequence[ClassRecalls]) -> Iterator[str]:
    """Yield a line of the recall of each class in every run."""
    for each in classes:
        recalls = " → ".join(percent(recall) for recall in each.recalls)
        yield f"- {code(each.name)}: {recalls} ({points(each.change)})"


def _classes(comparison: Comparison) -> Iterator[str]:
    if classes := comparison.changed_classes:
        yield f"**Classes that changed most** (of {len(comparison.classes)}), in the order of the runs"
        yield ""
        yield from changed(classes[:CLASSES])
        yield ""


def _spec(comparison: Comparison) -> Iterator[str]:
    if not comparison.spec:
        return
    yield "**The specs differ in**"
    yield ""
    yield f"| field | {' | '.join(cell(run.run) for run in comparison.runs)} |"
    yield f"| :-- |{' :-- |' * len(comparison.runs)}"
    yield from map(_field, comparison.spec[:FIELDS])
    yield ""
    if len(comparison.spec) > FIELDS:
        yield f"… and {len(comparison.spec) - FIELDS} more"
        yield ""


def _field(each: FieldValues) -> str:
    return f"| {cell(each.field)} | {' | '.join(map(cell, each.values))} |"
