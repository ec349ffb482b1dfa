"""A drawing of things that come from each other, each a card with a name and a few lines, as one SVG."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

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

CardKind = Literal["data", "weights", "run", "lost", "alias"]
HEAD, LINE = 22.0, 15.0
"""Height of a card's name, and of each line below it."""

CARD_STYLES: dict[str, BoxStyle] = {
    "data": BoxStyle("#ffedd5", "#c2410c", 'stroke-width="1.5" stroke-dasharray="8 4"', "images"),
    "weights": BoxStyle("#ffffff", "#4b5563", 'stroke-width="1.5"', "weights that no run made"),
    "run": BoxStyle("#dbeafe", "#1d4ed8", 'stroke-width="2"', "a run"),
    "lost": BoxStyle("#e5e7eb", "#4b5563", 'stroke-width="1.5" stroke-dasharray="2 3"', "not as it was then"),
    "alias": BoxStyle("#dcfce7", "#15803d", 'stroke-width="3.5"', "points to the run"),
}


@dataclass(frozen=True)
class Card:
    """A named thing and what there is to know of it, in lines."""

    kind: CardKind
    name: str
    lines: tuple[str, ...] = ()


def draw_cards(title: str, subtitle: str, cards: Sequence[Card], between: Sequence[tuple[int, int]]) -> str:
    """Return the SVG of cards and the arrows between them (from, to, as indices). The same cards give the
    same text."""
    height = HEAD + LINE * max(len(card.lines) for card in cards) + PADDING / 2
    widths = [_card_width(card) for card in cards]
    placed = place(widths, between, GAP)
    head = (
        text(MARGIN, 36, title, TITLE_SIZE, weight="bold"),
        text(MARGIN, 56, subtitle, NAME_SIZE, fill=PALE),
    )
    legend = legend_of(CARD_STYLES, (card.kind for card in cards))
    boxes = _cards(cards, placed, widths, height)
    return page(title, placed, height, legend, (head, arrows(placed, between, height), boxes))


def _card_width(card: Card) -> float:
    lines = (text_width(line, TEXT_SIZE) for line in card.lines)
    return max(text_width(card.name, NAME_SIZE, bold=True), *lines, 0.0) + 2 * PADDING


def _cards(cards: Sequence[Card], placed: Placed, widths: Sequence[float], height: float) -> Iterator[str]:
    for card, x, rank, width in zip(cards, placed.x, placed.ranks, widths, strict=True):
        left, y = x - width / 2, top(rank, height)
        yield outline(CARD_STYLES[card.kind], left, y, width, height, 7)
        yield text(left + PADDING, y + 17, card.name, NAME_SIZE, weight="bold")
        for number, line in enumerate(card.lines):
            yield text(left + PADDING, y + HEAD + LINE * number + 10, line, TEXT_SIZE, fill=PALE)
