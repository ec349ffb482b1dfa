"""The command line's room for datasets: `ftjob data build` and `ftjob data check`."""

from pathlib import Path
from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.options import Format, Output, console, images_on, print_json
from ftjob.cli.view import data, live
from ftjob.errors import ExitCode

app = typer.Typer(help="Build and check datasets.", no_args_is_help=True)

BuildVal = Annotated[str | None, typer.Option(help="Images for validation, instead of --val-split.")]
CheckVal = Annotated[str | None, typer.Option(help="The validation LMDB; a spec names its own.")]
Outputs = Annotated[int | None, typer.Option(help="The net's number of classes; a spec sets its own.")]
Unreadable = Annotated[float, typer.Option(help="The largest share of images that may be unreadable.")]


@app.command("build")
def build(
    source: Annotated[
        str, typer.Argument(help="One folder per class, a list of `path label`, or a CSV: a path or URI.")
    ],
    out: Annotated[
        str, typer.Argument(help="Where to write train and val LMDBs, labels, mean, manifest: a path or URI.")
    ],
    val_split: Annotated[
        float, typer.Option(help="The share of every class to hold out for validation.")
    ] = 0.25,
    val: BuildVal = None,
    size: Annotated[str, typer.Option(help="Size of the stored images: 256, or WIDTHxHEIGHT.")] = "256",
    mode: Annotated[str, typer.Option(help="How to resize: squash, crop, fill or half-crop.")] = "squash",
    encoding: Annotated[str, typer.Option(help="How to store images: raw, png or jpg.")] = "raw",
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of BGR.")] = False,
    face_crop: Annotated[
        bool,
        typer.Option("--face-crop", help="Find the largest face of each image, turn it upright, cut it out."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed for the split and the order of the records.")] = 1,
    allow_unreadable: Unreadable = 0.01,
    output: Output = Format.TEXT,
) -> None:
    """Build LMDBs for Caffe from images; a rebuild redoes only what changed."""
    from ftjob.dataset.build.build import BuildOptions
    from ftjob.dataset.build.into_store import build_at
    from ftjob.dataset.modes import resize_mode

    width, height = sides(size)
    options = BuildOptions(
        height=height,
        width=width,
        mode=resize_mode(mode),
        color=not grey,
        encoding=encoding,
        val_split=None if val else val_split,
        seed=seed,
        allow_unreadable=allow_unreadable,
        face_crop=face_crop,
    )
    with live.progress_bar(console(stderr=True)) as show:
        built = build_at(source, out, options, val=val, progress=images_on(show))
    if output is Format.JSON:
        return print_json(built.to_json())
    return console().print(data.built(built, out))


@app.command("check")
def check(
    location: Annotated[
        str,
        typer.Argument(
            metavar="LMDB|SPEC", help="An LMDB or a folder made by build (path or URI), or a spec."
        ),
    ],
    val: CheckVal = None,
    num_output: Outputs = None,
    crop: Annotated[int | None, typer.Option(help="Side of the crop; a spec sets its own.")] = None,
    duplicates: Annotated[bool, typer.Option(help="Look for equal and nearly equal images.")] = True,
    sheet: Annotated[
        Path | None, typer.Option(help="Write a contact sheet of every class to this folder.")
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Find what is wrong with a dataset before you pay for a GPU; exit code 4 if there are errors."""
    from ftjob.dataset.check.check import CheckOptions

    options = CheckOptions(num_output=num_output, crop=crop, duplicates=duplicates, sheet=sheet)
    with live.progress_bar(console(stderr=True)) as show:
        report = api.check_data(location, val, options, images_on(show, "records checked"))
    if output is Format.JSON:
        print_json(report.to_json())
    else:
        console().print(data.checked(report))
    if not report.ok:
        raise typer.Exit(ExitCode.BAD_DATA)


def sides(size: str) -> tuple[int, int]:
    """Return (width, height) of `256` or `320x240`. Raises typer.BadParameter."""
    numbers = size.lower().split("x")
    if len(numbers) > 2 or not all(number.isdecimal() and int(number) for number in numbers):
        raise typer.BadParameter(f"{size!r} is not a size: give 256, or 320x240", param_hint="--size")
    return int(numbers[0]), int(numbers[-1])
