"""The command line's room for what comes before a run: `ftjob init`, `ftjob plan` and `ftjob nodes`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftjob import api
from ftjob.cli.options import Format, Output, console, images_on, print_json, write
from ftjob.cli.view import live
from ftjob.cli.view import plan as view
from ftjob.errors import BadSpecError, ExitCode

if TYPE_CHECKING:
    from ftjob.plan.plan import Plan

Spec = Annotated[Path | None, typer.Argument(metavar="SPEC", help="The spec, a YAML file.")]
Svg = Annotated[Path | None, typer.Option(help="Draw the net to this file.")]
Prototxt = Annotated[Path | None, typer.Option(help="Write the prototxts that Caffe gets to this folder.")]
Explain = Annotated[
    str | None,
    typer.Option(metavar="LOG|RUN", help="Explain why a run or a `caffe train` failed, instead of planning."),
]


def init(
    data: Annotated[
        str,
        typer.Option(help="One folder of images per class, or a folder with train and val: a path or URI."),
    ],
    net: Annotated[
        str | None,
        typer.Option(
            help="A built-in net, or the path or URI of a prototxt; default: the one for known:NAME."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The initial weights: a .caffemodel, or known:NAME for published ones.")
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(help="The file to write; default: named after the data.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a first spec, with comments, ready for `ftjob plan`."""
    written = api.init(net, data, weights, out, force=force)
    console().print(f"{written} written; next: ftjob plan {written}", soft_wrap=True)


def pin(
    address: Annotated[str, typer.Argument(help="The http(s) address of a net, weights or a mean image.")],
) -> None:
    """Fetch a file of the web into your cache, and print its address with its digest, as a spec takes it."""
    with live.progress_bar(console(stderr=True)) as show:
        pinned = api.pin(address, images_on(show))
    write(f"{pinned}\n")


def plan(
    spec: Spec = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show a line for every layer.")] = False,
    svg: Svg = None,
    prototxt: Prototxt = None,
    explain: Explain = None,
    output: Output = Format.TEXT,
) -> None:
    """Show what a run would do, need and cost: heads, weights, memory, time, dollars. Starts nothing."""
    if explain is not None:
        return explained(explain, output)
    if spec is None:
        raise BadSpecError("plan: no spec: give its path, or --explain LOG")
    from ftjob.plan.shortfall import shortfall_of

    made = planned(spec, to_train=prototxt is not None)
    if svg:
        api.draw(made, svg)
    if prototxt:
        api.write_prototxts(made, prototxt)
    short = shortfall_of(made)
    if output is Format.JSON:
        print_plan(made, short)
    else:
        console().print(view.plan_view(made, short, every_layer=layers))
    if made.problems:
        raise typer.Exit(ExitCode.BAD_SPEC)
    return None


def nodes(
    live: Annotated[
        bool, typer.Option("--live", help="Also show EC2's current prices, cached for an hour.")
    ] = False,
    region: Annotated[
        str | None, typer.Option(help="The AWS region for --live; default: from your environment or profile.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the live prices to your nodes file, which plans read.")
    ] = False,
    output: Output = Format.TEXT,
) -> None:
    """List the nodes a run can use: GPU, memory, speed, price."""
    from ftjob.cli.view import nodes as table

    if (write or region) and not live:
        raise BadSpecError("nodes: --region and --write need live prices: add --live")
    found = api.nodes()
    prices, problems = api.live_prices(region) if live else (None, [])
    for problem in problems:
        console(stderr=True).print(f"! {problem}", style="yellow", soft_wrap=True)
    if output is Format.JSON:
        print_json(table.nodes_json(found, prices))
    else:
        console().print(table.nodes_table(found, prices))
    if write and prices and prices.prices:
        console(stderr=True).print(table.written(found, api.write_prices(prices)), soft_wrap=True)


def planned(spec: Path, *, to_train: bool = False) -> "Plan":
    """Plan, and show the progress of building the dataset on stderr."""
    with live.progress_bar(console(stderr=True)) as show:
        return api.plan(spec, images_on(show), to_train=to_train)


def print_plan(made: "Plan", shortfall: str) -> None:
    """Print a plan as JSON; `shortfall` is shortfall_of(made)."""
    from ftjob.plan.plan_json import document_of

    print_json(document_of(made, shortfall).to_json())


def explained(reference: str, output: Format) -> None:
    """Explain why a run or a training failed."""
    found = api.explain(reference)
    if output is Format.JSON:
        return print_json(found.to_json())
    return console().print(view.explanation(found))
