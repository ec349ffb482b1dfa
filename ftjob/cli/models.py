"""The verbs of aliases: promote, rollback, unalias, aliases, history and lineage."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ftjob import api
from ftjob.cli.options import Format, KubeContext, KubeNamespace, Output, RunName, console, print_json, write
from ftjob.cli.view import models as view

if TYPE_CHECKING:
    from ftjob.models.alias import Alias
    from ftjob.models.promote import Promoted
    from ftjob.models.promotion import Promotion


class LineageFormat(StrEnum):
    """The formats of a lineage."""

    TEXT = "text"
    JSON = "json"
    SVG = "svg"


AliasName = Annotated[str, typer.Argument(metavar="ALIAS", help="NAME, or its folder OUTPUT/models/NAME.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, kept in the alias's history.")]


def promote(
    run: RunName,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="The alias's name.")],
    force: Annotated[
        bool, typer.Option("--force", help="Promote it despite objections; needs --why.")
    ] = False,
    why: Why = "",
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Point an alias to a run that reached its accept, beside the runs of its output."""
    _show(api.find(run, context, namespace).promote(alias, why, force=force), output)


def rollback(
    alias: AliasName,
    why: Why = "",
    output: Output = Format.TEXT,
) -> None:
    """Point an alias to the run before the current one; again, to the one before that."""
    _show(api.rollback(alias, why), output)


def unalias(
    alias: AliasName,
    why: Why = "",
    output: Output = Format.TEXT,
) -> None:
    """Take an alias out of use; its runs and its history stay."""
    _show(api.remove_alias(alias, why), output)


def aliases(
    place: Annotated[
        str | None,
        typer.Argument(
            metavar="OUTPUT", help="A folder or URI for runs; default: those of the runs submitted here."
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="List those taken out of use too.")] = False,
    output: Output = Format.TEXT,
) -> None:
    """List the aliases: which run each points to, since when, by whom."""
    found, unreadable = api.list_aliases(place)
    shown = [model for model in found if every or not model.promotion.removed]
    for sentence in unreadable:
        console(stderr=True).print(f"! {sentence}", style="yellow", soft_wrap=True)
    if output is Format.JSON:
        return print_json([_plain(model.alias, model.promotion) for model in shown])
    return console().print(view.aliases(shown))


def history(
    alias: AliasName,
    most: Annotated[int, typer.Option("--most", min=1, help="The most promotions to show.")] = 20,
    output: Output = Format.TEXT,
) -> None:
    """List an alias's promotions, newest first: which run, when, by whom, why."""
    found = api.promotions(alias, most)
    if output is Format.JSON:
        return print_json([promotion.to_json() for promotion in found])
    return console().print(view.history(found))


def lineage(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="NAME (its newest run), NAME/ID, a run's folder or alias:NAME."),
    ],
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Annotated[
        LineageFormat,
        typer.Option("-o", "--output", help="text for people, json for programs, svg for a picture."),
    ] = LineageFormat.TEXT,
) -> None:
    """Show where a model came from: weights, data, spec, image, back to the first weights."""
    found = api.lineage(run, context, namespace)
    if output is LineageFormat.JSON:
        return print_json(found.to_json())
    if output is LineageFormat.SVG:
        return write(found.svg())
    return console().print(view.lineage(found), soft_wrap=True)


def _show(made: "Promoted", output: Format) -> None:
    if output is Format.JSON:
        return print_json({**_plain(made.alias, made.promotion), "changed": made.changed})
    return console().print(view.promoted(made), soft_wrap=True)


def _plain(alias: "Alias", promotion: "Promotion") -> dict[str, Any]:
    return {"alias": str(alias), "folder": alias.location, **promotion.to_json()}
