"""Where the boxes of a net go: Sugiyama's layered layout, by grandalf."""

from collections.abc import Sequence
from dataclasses import dataclass

from grandalf.graphs import Edge, Graph, Vertex
from grandalf.layouts import SugiyamaLayout, VertexViewer

ROUNDS = 12
"""Of ordering the ranks to cross fewer arrows; more do not help nets of a hundred layers."""
LANE = 14.0
"""Width kept free for an arrow that passes a rank."""


@dataclass(frozen=True)
class Placed:
    """Boxes in ranks from top to bottom; x counts to the right, from the left edge of the leftmost box."""

    ranks: tuple[int, ...]
    """Of each box."""
    x: tuple[float, ...]
    """Of each box's middle."""
    lanes: tuple[tuple[float, ...], ...]
    """For each arrow, the x at which it passes every rank between its ends."""
    width: float


def place(widths: Sequence[float], arrows: Sequence[tuple[int, int]], gap: float) -> Placed:
    """Place boxes of some widths, `gap` apart at least, so that every arrow points down."""
    vertices = [Vertex(number) for number in range(len(widths))]
    for vertex, width in zip(vertices, widths, strict=True):
        vertex.view = VertexViewer(width, 1)
    edges = [Edge(vertices[start], vertices[end]) for start, end in arrows]
    graph = Graph(vertices, edges)
    ranks, x = [0] * len(widths), [0.0] * len(widths)
    lanes: list[tuple[float, ...]] = [()] * len(arrows)
    left = 0.0
    for part in graph.C:
        layout = _laid_out(part, gap)
        own = [vertex.data for vertex in part.V()]
        shift = left - min(vertices[number].view.xy[0] - widths[number] / 2 for number in own)
        for number in own:
            ranks[number] = layout.grx[vertices[number]].rank
            x[number] = vertices[number].view.xy[0] + shift
        for index, edge in enumerate(edges):
            if edge in layout.ctrls:
                lanes[index] = _lanes(layout, edge, shift)
        left = max(x[number] + widths[number] / 2 for number in own) + gap
    spread = [lane for each in lanes for lane in each]
    rightmost = max([left - gap, *(lane + LANE / 2 for lane in spread)])
    return Placed(tuple(ranks), tuple(x), tuple(lanes), rightmost)


def _laid_out(part: "Graph", gap: float) -> SugiyamaLayout:
    layout = SugiyamaLayout(part)
    layout.dw, layout.xspace = LANE, gap
    layout.init_all(optimize=True)
    layout.draw(ROUNDS)
    return layout


def _lanes(layout: SugiyamaLayout, edge: Edge, shift: float) -> tuple[float, ...]:
    start, end = (layout.grx[vertex].rank for vertex in edge.v)
    control = layout.ctrls[edge]
    return tuple(control[rank].view.xy[0] + shift for rank in range(start + 1, end))
