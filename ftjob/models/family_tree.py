"""A lineage as a picture: datasets, first weights, runs and the alias, with arrows to what each became."""

from ftjob.drawing.cards import Card, draw_cards
from ftjob.formatting import percent
from ftjob.models.lineage import Ancestor, Lineage, SourceData, SourceWeights
from jobspec.pinned import name_of

DIGITS = 12
"""Of a digest, as many as are shown."""
LONGEST = 60
"""Characters of a line; of a longer place the end is shown."""


def draw_lineage(found: Lineage) -> str:
    """Return the SVG of a lineage."""
    cards: list[Card] = []
    arrows: list[tuple[int, int]] = []
    datasets: dict[tuple[str, SourceData], int] = {}
    before: int | None = None
    for run in reversed(found.runs):
        if before is None and run.weights:
            before = _add(cards, _weights(run.weights))
        here = _add(cards, _run(run))
        for use, data in (("for training", run.train), ("for validation", run.val)):
            if data is None:
                continue
            if (use, data) not in datasets:
                datasets[use, data] = _add(cards, _data(data, use))
            arrows.append((datasets[use, data], here))
        if before is not None:
            arrows.append((before, here))
        before = here
    newest = found.runs[0].reference
    if found.promotion and found.alias and before is not None:
        promotion = found.promotion
        lines = (f"number {promotion.number}", promotion.moment, f"by {promotion.who}")
        arrows.append((before, _add(cards, Card("alias", found.alias, tuple(map(_short, lines))))))
    title = f"alias:{found.alias}" if found.alias else newest
    return draw_cards(title, f"where {newest} came from", cards, arrows)


def _add(cards: list[Card], card: Card) -> int:
    cards.append(card)
    return len(cards) - 1


def _weights(weights: SourceWeights) -> Card:
    name = name_of(weights.location)
    return Card("weights", name, (_short(weights.location), _digest(weights.digest)))


def _data(data: SourceData, use: str) -> Card:
    return Card(
        "data",
        data.location.rpartition("/")[2] or data.location,
        (use, _short(data.location), f"{data.records:,} images", _digest(data.digest)),
    )


def _run(run: Ancestor) -> Card:
    score = f"accuracy {percent(run.accuracy)}" if run.accuracy is not None else ""
    if run.right is not None and run.images is not None:
        score += f" ({run.right:,} of {run.images:,})"
    made = ", ".join(filter(None, (run.engine, f"ftjob {run.ftjob}" if run.ftjob else "")))
    lines = (
        run.problem,
        score,
        f"spec {run.spec[:DIGITS]}" if run.spec else "",
        made,
        run.image or "",
        f"weights by {run.weights.alias}" if run.weights and run.weights.alias else "",
    )
    return Card(
        "lost" if run.problem else "run", run.reference, tuple(_short(line) for line in lines if line)
    )


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"


def _digest(digest: str | None) -> str:
    return f"sha256 {digest[:DIGITS]}" if digest else "no digest"
