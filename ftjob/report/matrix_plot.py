"""The picture of a confusion matrix."""

import io

from ftjob.report.confusion import readable
from ftjob.runfolder.records.evaluation import Evaluation
from jobspec.text import visible

LONGEST_NAME = 24
"""Letters of a class's name."""
WRITTEN = 15
"""Classes up to which each cell has its number of images."""


def matrix_png(evaluation: Evaluation) -> bytes:
    """Return the matrix as a PNG, each row as shares of its class: of many classes those most confused."""
    from matplotlib.figure import Figure

    matrix = readable(evaluation)
    count = len(matrix.names)
    shares = [
        [cell / images if images else 0.0 for cell in row]
        for row, images in zip(matrix.counts, matrix.images, strict=True)
    ]
    figure = Figure(figsize=(2.5 + 0.35 * max(6, count),) * 2, dpi=90, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [visible(name)[:LONGEST_NAME] for name in matrix.names]
    axes.set_xticks(range(count), names, rotation=90, parse_math=False)
    axes.set_yticks(range(count), names, parse_math=False)
    shown = f"{count} of {len(evaluation.classes)} classes" if matrix.others else f"{count} classes"
    axes.set_title(f"iteration {evaluation.iteration}, {shown}", fontsize=9)
    axes.set(xlabel="predicted", ylabel="label")
    if count <= WRITTEN:
        for label, row in enumerate(matrix.counts):
            for predicted, images in enumerate(row):
                colour = "white" if shares[label][predicted] > 0.5 else "black"
                axes.text(predicted, label, str(images), ha="center", va="center", color=colour, fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
