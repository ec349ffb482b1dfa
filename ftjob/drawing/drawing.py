"""A drawing of a planned net: what is copied, frozen, new, and where its heads are, as one SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ftjob.drawing.boxes import Box, Boxes, Kind, boxes_of
from ftjob.drawing.layering import Placed, place
from ftjob.formatting import count
from ftjob.plan.plan import Plan
from jobspec.text import visible

FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
NAME_SIZE, TEXT_SIZE = 12, 10.5
TITLE_SIZE = 18
PADDING = 10.0
HEIGHT = 54.0
GAP = 26.0
"""Between boxes of one rank."""
RISE = 34.0
"""Between ranks."""
MARGIN = 28.0
TOP = 112.0
"""Room for title and legend."""
TAG = 46.0
SAMPLE = 56.0
INK = "#475569"
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
)


@dataclass(frozen=True)
class BoxStyle:
    """The colour, border and label that distinguish boxes of a kind."""

    fill: str
    line: str
    border: str
    """SVG attributes of the outline."""
    meaning: str


STYLES: dict[Kind, BoxStyle] = {
    "copied": BoxStyle("#dbeafe", "#1d4ed8", 'stroke-width="1.5"', "copied from the weights, learns on"),
    "frozen": BoxStyle(
        "#e5e7eb", "#4b5563", 'stroke-width="1.5" stroke-dasharray="2 3"', "copied from the weights, stays"
    ),
    "new": BoxStyle("#ffedd5", "#c2410c", 'stroke-width="2" stroke-dasharray="8 4"', "randomly initialised"),
    "head": BoxStyle("#dcfce7", "#15803d", 'stroke-width="3.5"', "gives the scores of the classes"),
    "plain": BoxStyle("#ffffff", "#94a3b8", 'stroke-width="1"', "has no params"),
}


def draw(plan: Plan) -> str:
    """Return the SVG of a plan's TRAIN net. The same plan gives the same text."""
    net = boxes_of(plan)
    title = visible(f"{plan.spec.name}: {plan.spec.base.net}")
    widths = [_width(box) for box in net.boxes]
    placed = place(widths, net.arrows, GAP)
    samples = _samples(net)
    width = max(placed.width, samples[-1][1] - MARGIN) + 2 * MARGIN
    height = TOP + _top(max(placed.ranks)) + HEIGHT + MARGIN
    shift = f'transform="translate({(width - placed.width) / 2:.1f} {TOP:.0f})"'
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family={quoteattr(FONT)}>',
        f"<title>{escape(title)}</title>",
        TIP,
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#ffffff"/>',
        *_title(plan),
        *(line for kind, x in samples[:-1] for line in _sample(STYLES[kind], kind, x)),
        f'<g fill="none" stroke="{INK}" stroke-width="1.3" {shift}>',
        *_arrows(net, placed),
        "</g>",
        f"<g {shift}>",
        *_boxes(net, placed, widths),
        "</g>",
        "</svg>\n",
    ]
    return "\n".join(drawn)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is in the widest of the fonts: DejaVu Sans, and bold a tenth more."""
    units = sum(0.36 if c in "ijl|.,:;'! /()[]" else 0.98 if c in "mwMW@%×" else 0.64 for c in text)
    return units * size * (1.12 if bold else 1.0)


def _width(box: Box) -> float:
    tag = TAG if box.kind != "plain" else 0.0
    lines = (
        text_width(box.name, NAME_SIZE, bold=True),
        text_width(box.does, TEXT_SIZE),
        text_width(box.makes, TEXT_SIZE) + tag,
    )
    return max(lines) + 2 * PADDING


def _top(rank: int) -> float:
    return rank * (HEIGHT + RISE)


def _title(plan: Plan) -> Iterator[str]:
    counts = plan.forecast.parameters
    base = f"{plan.spec.base.net}, {len(plan.labels)} classes"
    text = (
        f"{count(counts.total)} params: {count(counts.trainable)} learn, "
        f"{count(counts.frozen)} stay, {count(counts.new)} are new"
    )
    yield _text(MARGIN, 36, f"{plan.spec.name}  {plan.run_id}", TITLE_SIZE, weight="bold")
    yield _text(MARGIN, 56, f"{base}; {text}", NAME_SIZE, fill="#334155")


def _samples(net: Boxes) -> list[tuple[Kind, float]]:
    """The kinds that are drawn, each with the x of its sample in the legend; last, where it ends."""
    x, found = MARGIN, []
    for kind, style in STYLES.items():
        if any(box.kind == kind for box in net.boxes):
            found.append((kind, x))
            x += SAMPLE + text_width(style.meaning, TEXT_SIZE) + 18
    return [*found, ("plain", x)]


def _sample(style: BoxStyle, kind: Kind, x: float) -> Iterator[str]:
    yield (
        f'<rect x="{x:.1f}" y="70" width="{SAMPLE:.0f}" height="20" rx="5" fill="{style.fill}" '
        f'stroke="{style.line}" {style.border}/>'
    )
    if kind != "plain":
        yield _text(x + SAMPLE / 2, 84, kind, TEXT_SIZE, fill=style.line, weight="bold", anchor="middle")
    yield _text(x + SAMPLE + 6, 84, style.meaning, TEXT_SIZE, fill="#334155")


def _boxes(net: Boxes, placed: Placed, widths: Sequence[float]) -> Iterator[str]:
    for box, x, rank, width in zip(net.boxes, placed.x, placed.ranks, widths, strict=True):
        yield from _box(box, x - width / 2, _top(rank), width)


def _box(box: Box, x: float, y: float, width: float) -> Iterator[str]:
    style = STYLES[box.kind]
    yield (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{HEIGHT:.0f}" rx="7" '
        f'fill="{style.fill}" stroke="{style.line}" {style.border}/>'
    )
    inside = x + PADDING
    yield _text(inside, y + 17, box.name, NAME_SIZE, weight="bold")
    yield _text(inside, y + 32, box.does, TEXT_SIZE, fill="#334155")
    yield _text(inside, y + 46, box.makes, TEXT_SIZE, fill="#334155")
    if box.kind != "plain":
        end = x + width - PADDING
        yield _text(end, y + 46, box.kind, TEXT_SIZE, fill=style.line, weight="bold", anchor="end")


def _arrows(net: Boxes, placed: Placed) -> Iterator[str]:
    for (start, end), lanes in zip(net.arrows, placed.lanes, strict=True):
        path = _path(placed.x[start], placed.ranks[start], lanes, placed.x[end])
        yield f'<path d="{path}" marker-end="url(#tip)"/>'


def _path(x: float, rank: int, lanes: Sequence[float], end: float) -> str:
    """A line from a box's lower edge, straight through the ranks in between, to another's upper edge."""
    drawn = [f"M{x:.1f} {_top(rank) + HEIGHT:.1f}"]
    for step, to in enumerate([*lanes, end], start=rank + 1):
        above, below = _top(step) - RISE, _top(step)
        middle = (above + below) / 2
        drawn.append(f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {below:.1f}")
        x = to
        if step - rank <= len(lanes):
            drawn.append(f"V{below + HEIGHT:.1f}")
    return "".join(drawn)


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    fill: str = "#0f172a",
    weight: str = "normal",
    anchor: str = "start",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(visible(text))}</text>'
    )
