"""`ftjob verify`: check a bundle on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.options import Format, Output, console, print_json
from ftjob.cli.view import results
from ftjob.errors import ExitCode


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    engine: Annotated[str, typer.Option(help="The engine to use: auto, caffe or torch.")] = "auto",
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Compute on the first GPU, with torch by default.")
    ] = False,
    precision: Annotated[
        str, typer.Option(help="fp32, tf32, bf16 or fp16; all but fp32 with torch.")
    ] = "fp32",
    output: Output = Format.TEXT,
) -> None:
    """Check that a bundle gives the same answers here as where it was made."""
    verification = api.verify(bundle, engine, gpu=gpu, precision=precision)
    if output is Format.JSON:
        print_json(verification.to_json())
    else:
        console().print(results.verified(verification))
    if not verification.ok:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)
