"""`ftjob engine install`: put a training engine on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ftjob.cli.options import console
from ftjob.cli.view import live
from ftjob.errors import BadSpecError

app = typer.Typer(help="Install a training engine.", no_args_is_help=True)


@app.command("install")
def install(
    engine: Annotated[str, typer.Argument(help="caffe or torch")],
    python: Annotated[Path | None, typer.Option(help="Use this Python's pycaffe instead.")] = None,
    mirror: Annotated[str | None, typer.Option(help="A mirror of Debian 11.")] = None,
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
        found = install_caffe(python=python, mirror=mirror, progress=show)
    return console().print(f"Caffe {found.version} ({found.origin}) is ready: {found.python}", soft_wrap=True)
