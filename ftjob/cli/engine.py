"""`ftjob engine`: install a training engine on this machine, and list what there is."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ftjob.cli.options import Format, Output, console, print_json
from ftjob.cli.view import live
from ftjob.cli.view.engine import engine_lines
from ftjob.errors import BadSpecError

app = typer.Typer(help="Install training engines, and list them.", no_args_is_help=True)


@app.command("install")
def install(
    engine: Annotated[str, typer.Argument(help="caffe or torch")],
    python: Annotated[Path | None, typer.Option(help="Use this Python's pycaffe instead.")] = None,
    mirror: Annotated[str | None, typer.Option(help="A mirror of Debian 11.")] = None,
    cuda: Annotated[bool, typer.Option("--cuda", help="caffe: one that computes on GPUs.")] = False,
    image: Annotated[
        Path | None,
        typer.Option("--from", metavar="IMAGE.TAR", help="caffe: take it from a saved container image."),
    ] = None,
    index: Annotated[str | None, typer.Option(help="torch: the package index to install from.")] = None,
) -> None:
    """Install real Caffe into your cache, without root or compiler; or PyTorch into this Python, with pip."""
    from ftjob.engine.caffe.install import install_caffe
    from ftjob.engine.torch.install import install_torch

    if engine == "torch":
        version = install_torch(index)
        return console().print(f"PyTorch {version} is ready: {sys.executable}", soft_wrap=True)
    if engine != "caffe":
        raise BadSpecError(f"engine install: there is no engine {engine!r}: give caffe or torch")
    with live.progress_bar(console(stderr=True)) as show:
        found = install_caffe(python=python, mirror=mirror, image=image, cuda=cuda, progress=show)
    return console().print(f"Caffe {found.version} ({found.origin}) is ready: {found.python}", soft_wrap=True)


@app.command("list")
def list_engines(output: Output = Format.TEXT) -> None:
    """List the installed engines, what they compute on, and the GPUs that the driver shows."""
    from ftjob.engine.inventory import take_inventory

    found = take_inventory()
    if output is Format.JSON:
        return print_json(found.to_json())
    for line in engine_lines(found):
        console().print(line, soft_wrap=True)
    return None
