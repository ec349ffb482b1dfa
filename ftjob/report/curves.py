"""The picture of a run's curves, and of several runs beside one another."""

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftjob.fs import documents, files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records.metrics import TestLine, TrainLine, read_tests, read_train, thinned
from jobspec.text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's palette, which colour-blind readers can distinguish."""
SMOOTHED = 50
"""The loss curve is averaged to about this many points."""


def curves_png(folder: RunFolder) -> bytes:
    """Return a run's `curves.png`: training loss, and loss and accuracy of the tests."""
    figure, (left, right) = _figure()
    train, tests = _metrics(folder)
    _draw_loss(left, train, COLOURS[0], "training loss")
    left.plot(*_losses(tests), color=COLOURS[1], marker="o", markersize=3, label="validation loss")
    for number, head in enumerate(tests[-1].heads if tests else []):
        known = [test for test in tests if head in test.heads]
        accuracy = [100 * test.heads[head] for test in known]
        right.plot([test.iteration for test in known], accuracy, **_style(number), label=head)
    return _finished(figure, left, right, f"{folder.root.parent.name}/{folder.root.name}")


def draw_comparison(runs: Mapping[str, RunFolder], path: Path) -> None:
    """Write one picture of several runs' loss and accuracy over iterations. Raises StorageError."""
    figure, (left, right) = _figure()
    for number, (name, folder) in enumerate(runs.items()):
        train, tests = _metrics(folder)
        _draw_loss(left, train, COLOURS[number % len(COLOURS)], name)
        iterations, accuracy = [test.iteration for test in tests], [100 * test.accuracy for test in tests]
        right.plot(iterations, accuracy, **_style(number), label=name)
    with files.whole(path) as temporary:
        temporary.write_bytes(_finished(figure, left, right))


def _metrics(folder: RunFolder) -> tuple[list[TrainLine], list[TestLine]]:
    with documents.explained(folder.metrics):
        train = thinned(read_train(folder.train_metrics))
        return train, thinned(read_tests(folder.test_metrics))


def _figure() -> "tuple[Figure, tuple[Axes, Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def _draw_loss(axes: "Axes", lines: list[TrainLine], colour: str, label: str) -> None:
    iterations, losses = _losses(lines)
    size = max(1, len(losses) // SMOOTHED)
    groups = range(0, len(losses), size)
    means = [sum(losses[i : i + size]) / len(losses[i : i + size]) for i in groups]
    axes.plot(
        [iterations[min(i + size, len(iterations)) - 1] for i in groups], means, color=colour, label=label
    )


def _losses(lines: Iterable[TrainLine] | Iterable[TestLine]) -> tuple[list[int], list[float]]:
    """Return the iterations and losses of the lines whose loss is a number."""
    known = [(line.iteration, line.loss) for line in lines if line.loss is not None]
    return [iteration for iteration, _ in known], [loss for _, loss in known]


def _style(number: int) -> dict[str, Any]:
    return {"color": COLOURS[number % len(COLOURS)], "marker": "o", "markersize": 3}


def _finished(figure: "Figure", left: "Axes", right: "Axes", title: str = "") -> bytes:
    left.set(xlabel="iteration", ylabel="loss")
    right.set(xlabel="iteration", ylabel="validation accuracy, %", ylim=(0, 101))
    for axes in (left, right):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            for label in axes.legend(frameon=False, fontsize=8).get_texts():
                label.set(text=visible(label.get_text()), parse_math=False)
    if title:
        figure.suptitle(visible(title), parse_math=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
