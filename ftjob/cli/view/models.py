"""Aliases: what a promotion changed, and where a model came from."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import percent

if TYPE_CHECKING:
    from ftjob.models.current import PromotedModel
    from ftjob.models.lineage import Ancestor, Lineage, SourceData, SourceWeights
    from ftjob.models.promote import Promoted
    from ftjob.models.promotion import Promotion

DIGITS = 12
"""Of a digest, as many as are shown."""


def promoted(made: "Promoted") -> RenderableType:
    """Return what an alias points to now."""
    found = made.promotion
    if found.removed:
        text = f"alias:{made.alias} is {'removed' if made.changed else 'removed already'}"
        return Text(
            f"{text}; it was {found.reference}\n  number  {found.number}, {_made(found)}\n"
            f"  folder  {made.alias.location}"
        )
    score = _score(found.right, found.images, found.accuracy)
    lines = [
        f"alias:{made.alias} is {'' if made.changed else 'already '}{found.reference}, {score}",
        f"  number  {found.number}, {_made(found)}",
        f"  folder  {made.alias.location}",
    ]
    if made.changed and found.previous is not None:
        lines.append(f"  ftjob rollback {made.alias}")
    return Text("\n".join(lines))


def aliases(found: "Iterable[PromotedModel]") -> Table:
    """Return what aliases point to, one a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ALIAS", "NUMBER", "RUN", "ACCURACY", "WHEN", "BY", "FOLDER"):
        table.add_column(heading, justify="right" if heading in ("NUMBER", "ACCURACY") else "left")
    for each in found:
        made = each.promotion
        run = "(removed)" if made.removed else str(made.reference)
        accuracy = "" if made.removed else percent(made.accuracy)
        table.add_row(
            str(each.alias), str(made.number), run, accuracy, made.moment, made.who, each.alias.location
        )
    return table


def history(found: "Iterable[Promotion]") -> Table:
    """Return an alias's promotions, one a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("NUMBER", "RUN", "ACCURACY", "WHEN", "BY", "WHY"):
        table.add_column(heading, justify="right" if heading in ("NUMBER", "ACCURACY") else "left")
    for each in found:
        back = "removed" if each.removed else f"rollback to {each.restores}" if each.restores else ""
        why = "; ".join(filter(None, (back, each.why)))
        row = (str(each.number), str(each.reference), percent(each.accuracy), each.moment, each.who, why)
        table.add_row(*row)
    return table


def lineage(found: "Lineage") -> RenderableType:
    """Return a model's runs, newest first, each with what it was made from."""
    parts: list[str | tuple[str, str]] = []
    if (promotion := found.promotion) and found.alias:
        parts += [(f"alias:{found.alias}", "bold"), f"  number {promotion.number}, {_made(promotion)}\n"]
        if promotion.why:
            parts += [f"  {'why':<8}{promotion.why}\n"]
    for run in found.runs:
        parts += [(run.reference, "bold"), f"  {_state(run)}\n"]
        if run.problem:
            parts += [(f"  ! {run.problem} ({run.location})\n", "yellow")]
        parts += [f"  {heading:<8}{text}\n" for heading, text in _rows(run)]
    return Text.assemble(*parts[:-1], str(parts[-1]).rstrip("\n"))


def _state(run: "Ancestor") -> str:
    score = _score(run.right, run.images, run.accuracy) if run.accuracy is not None else ""
    return ", ".join(filter(None, (run.state, score)))


def _rows(run: "Ancestor") -> Iterator[tuple[str, str]]:
    for heading, data in (("train", run.train), ("val", run.val)):
        if data:
            yield heading, _data(data)
    if run.spec:
        yield "spec", run.spec[:DIGITS]
    if run.engine:
        made = (f"{run.engine}", f"ftjob {run.ftjob}" if run.ftjob else "", run.image or "no container")
        yield "engine", ", ".join(filter(None, made))
    if run.net:
        yield "net", run.net
        yield "weights", _weights(run.weights) if run.weights else "none: trained from scratch"


def _data(data: "SourceData") -> str:
    return f"{data.location}  {data.records:,} images, {_digest(data.digest)}"


def _weights(weights: "SourceWeights") -> str:
    by = f"{weights.alias} = " if weights.alias else ""
    return f"{by}{weights.location}  {_digest(weights.digest)}"


def _digest(digest: str | None) -> str:
    return digest[:DIGITS] if digest else "no digest"


def _score(right: int | None, images: int | None, accuracy: float | None) -> str:
    of = f" ({right:,} of {images:,})" if right is not None and images is not None else ""
    return f"accuracy {percent(accuracy)}{of}"


def _made(promotion: "Promotion") -> str:
    how = f"rolled back to {promotion.restores}" if promotion.restores else "promoted"
    how = "removed" if promotion.removed else how
    forced = ", by force" if promotion.objections else ""
    return f"{how} {promotion.moment} by {promotion.who}{forced}"
