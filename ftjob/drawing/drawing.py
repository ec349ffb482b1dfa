"""A drawing of a planned net: what is copied, frozen, new, and where its heads are, as one SVG."""

from collections.abc import Iterator, Sequence

from ftjob.drawing.boxes import Box, Boxes, Kind, boxes_of
from ftjob.drawing.drawn_net import DrawnNet
from ftjob.drawing.layering import Placed, place
from ftjob.drawing.svg import (
    GAP,
    MARGIN,
    NAME_SIZE,
    PADDING,
    PALE,
    TEXT_SIZE,
    TITLE_SIZE,
    BoxStyle,
    arrows,
    legend_of,
    outline,
    page,
    text,
    text_width,
    top,
)
from ftjob.formatting import count

HEIGHT = 54.0
TAG = 46.0

STYLES: dict[Kind, BoxStyle] = {
    "copied": BoxStyle("#dbeafe", "#1d4ed8", 'stroke-width="1.5"', "copied from the weights, learns on"),
    "frozen": BoxStyle(
        "#e5e7eb", "#4b5563", 'stroke-width="1.5" stroke-dasharray="2 3"', "copied from the weights, stays"
    ),
    "new": BoxStyle("#ffedd5", "#c2410c", 'stroke-width="2" stroke-dasharray="8 4"', "randomly initialised"),
    "head": BoxStyle("#dcfce7", "#15803d", 'stroke-width="3.5"', "gives the scores of the classes"),
    "plain": BoxStyle("#ffffff", "#94a3b8", 'stroke-width="1"', "has no params"),
}


def draw(drawn: DrawnNet) -> str:
    """Return the SVG of a TRAIN net. The same net gives the same text."""
    net = boxes_of(drawn)
    widths = [_width(box) for box in net.boxes]
    placed = place(widths, net.arrows, GAP)
    legend = legend_of({str(kind): style for kind, style in STYLES.items()}, (box.kind for box in net.boxes))
    parts = (_title(drawn), arrows(placed, net.arrows, HEIGHT), _boxes(net, placed, widths))
    return page(f"{drawn.name}: {drawn.net}", placed, HEIGHT, legend, parts)


def _width(box: Box) -> float:
    tag = TAG if box.kind != "plain" else 0.0
    lines = (
        text_width(box.name, NAME_SIZE, bold=True),
        text_width(box.does, TEXT_SIZE),
        text_width(box.makes, TEXT_SIZE) + tag,
    )
    return max(lines) + 2 * PADDING


def _title(drawn: DrawnNet) -> Iterator[str]:
    total, learn, stay, new = map(count, drawn.counts)
    base = f"{drawn.net}, {drawn.classes} classes"
    params = f"{total} params: {learn} learn, {stay} stay, {new} are new"
    yield text(MARGIN, 36, f"{drawn.name}  {drawn.run_id}", TITLE_SIZE, weight="bold")
    yield text(MARGIN, 56, f"{base}; {params}", NAME_SIZE, fill=PALE)


def _boxes(net: Boxes, placed: Placed, widths: Sequence[float]) -> Iterator[str]:
    for box, x, rank, width in zip(net.boxes, placed.x, placed.ranks, widths, strict=True):
        yield from _box(box, x - width / 2, top(rank, HEIGHT), width)


def _box(box: Box, x: float, y: float, width: float) -> Iterator[str]:
    style = STYLES[box.kind]
    yield outline(style, x, y, width, HEIGHT, 7)
    inside = x + PADDING
    yield text(inside, y + 17, box.name, NAME_SIZE, weight="bold")
    yield text(inside, y + 32, box.does, TEXT_SIZE, fill=PALE)
    yield text(inside, y + 46, box.makes, TEXT_SIZE, fill=PALE)
    if box.kind != "plain":
        end = x + width - PADDING
        yield text(end, y + 46, box.kind, TEXT_SIZE, fill=style.line, weight="bold", anchor="end")
