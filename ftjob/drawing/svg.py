"""Pieces of an SVG that every drawing has: page, texts, boxes, arrows between ranks, a legend."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from ftjob.drawing.layering import Placed
from jobspec.text import visible

FONT = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
NAME_SIZE, TEXT_SIZE = 12, 10.5
TITLE_SIZE = 18
PADDING = 10.0
GAP = 26.0
"""Between boxes of one rank."""
RISE = 34.0
"""Between ranks."""
MARGIN = 28.0
TOP = 112.0
"""Room for title and legend."""
SAMPLE = 56.0
INK = "#475569"
PALE = "#334155"
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


@dataclass(frozen=True)
class Legend:
    """The kinds that are drawn, each with the x of its sample."""

    styles: Mapping[str, BoxStyle]
    samples: tuple[tuple[str, float], ...]
    end: float
    """The x behind the last sample's meaning."""


def page(title: str, placed: Placed, height: float, legend: Legend, parts: Sequence[Iterable[str]]) -> str:
    """Return an SVG of a title's lines, a legend, arrows and boxes (`parts`, but for the legend, in that
    order); boxes are `height` high."""
    width = max(placed.width, legend.end - MARGIN) + 2 * MARGIN
    whole = TOP + top(max(placed.ranks), height) + height + MARGIN
    shift = f'transform="translate({(width - placed.width) / 2:.1f} {TOP:.0f})"'
    head, arrows, boxes = parts
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{whole:.0f}" '
        f'viewBox="0 0 {width:.0f} {whole:.0f}" font-family={quoteattr(FONT)}>',
        f"<title>{escape(visible(title))}</title>",
        TIP,
        f'<rect width="{width:.0f}" height="{whole:.0f}" fill="#ffffff"/>',
        *head,
        *(line for kind, x in legend.samples for line in _sample(legend.styles[kind], kind, x)),
        f'<g fill="none" stroke="{INK}" stroke-width="1.3" {shift}>',
        *arrows,
        "</g>",
        f"<g {shift}>",
        *boxes,
        "</g>",
        "</svg>\n",
    ]
    return "\n".join(drawn)


def legend_of(styles: Mapping[str, BoxStyle], kinds: Iterable[str]) -> Legend:
    """Return the legend of the kinds that are drawn, in the order of the styles."""
    drawn, x, samples = set(kinds), MARGIN, []
    for kind, style in styles.items():
        if kind in drawn:
            samples.append((kind, x))
            x += SAMPLE + text_width(style.meaning, TEXT_SIZE) + 18
    return Legend(styles, tuple(samples), x)


def _sample(style: BoxStyle, kind: str, x: float) -> Iterator[str]:
    yield outline(style, x, 70, SAMPLE, 20, 5)
    if kind != "plain":
        yield text(x + SAMPLE / 2, 84, kind, TEXT_SIZE, fill=style.line, weight="bold", anchor="middle")
    yield text(x + SAMPLE + 6, 84, style.meaning, TEXT_SIZE, fill=PALE)


def outline(style: BoxStyle, x: float, y: float, width: float, height: float, radius: int) -> str:
    """Return a box without its texts."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.0f}" rx="{radius}" '
        f'fill="{style.fill}" stroke="{style.line}" {style.border}/>'
    )


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return about how wide a text is in the widest of the fonts: DejaVu Sans, and bold a tenth more."""
    units = sum(0.36 if c in "ijl|.,:;'! /()[]" else 0.98 if c in "mwMW@%×" else 0.64 for c in text)
    return units * size * (1.12 if bold else 1.0)


def top(rank: int, height: float) -> float:
    """Return the upper edge of a rank of boxes."""
    return rank * (height + RISE)


def arrows(placed: Placed, between: Sequence[tuple[int, int]], height: float) -> Iterator[str]:
    """Yield the arrows from box to box."""
    for (start, end), lanes in zip(between, placed.lanes, strict=True):
        path = _path(placed.x[start], placed.ranks[start], lanes, placed.x[end], height)
        yield f'<path d="{path}" marker-end="url(#tip)"/>'


def _path(x: float, rank: int, lanes: Sequence[float], end: float, height: float) -> str:
    """A line from a box's lower edge, straight through the ranks in between, to another's upper edge."""
    drawn = [f"M{x:.1f} {top(rank, height) + height:.1f}"]
    for step, to in enumerate([*lanes, end], start=rank + 1):
        above, below = top(step, height) - RISE, top(step, height)
        middle = (above + below) / 2
        drawn.append(f"C{x:.1f} {middle:.1f} {to:.1f} {middle:.1f} {to:.1f} {below:.1f}")
        x = to
        if step - rank <= len(lanes):
            drawn.append(f"V{below + height:.1f}")
    return "".join(drawn)


def text(
    x: float,
    y: float,
    words: str,
    size: float,
    *,
    fill: str = "#0f172a",
    weight: str = "normal",
    anchor: str = "start",
) -> str:
    """Return a text, every character of which is visible."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(visible(words))}</text>'
    )
