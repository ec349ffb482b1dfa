"""A comparison's findings in a few words, the same in terminal, comment and page. Pure."""

from ftjob.report.compare.comparison import Difference
from ftjob.report.words import points_span
from ftjob.runfolder.records.acceptance import Verdict

THAN = {Verdict.BETTER: "better than", Verdict.SAME: "not shown to differ from", Verdict.WORSE: "worse than"}


def basis(difference: Difference) -> str:
    """Return what a verdict rests on, in a sentence without names from outside."""
    by = f"95% interval of the difference {points_span(difference.interval)}"
    counts = difference.counts
    if counts:
        sides = f"{counts.gained} became right, {counts.lost} became wrong"
        return f"{by}, on the same {counts.images} images: {sides}."
    why = f"Not compared image by image: {difference.unpaired}"
    return f"{why}; {by}." if difference.interval else f"{why}."
