"""A build in a process of its own, which may be killed."""

import multiprocessing
from pathlib import Path

from ftjob.data import stage
from ftjob.data.build import BuildOptions, build

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


def build_often(source: Path, out: Path, options: BuildOptions) -> None:
    """Build, and keep what is done after every few images."""
    stage.CHECKPOINT_SECONDS = 0.0
    stage.CHUNK = 4
    build(source, out, options)


def start_build(source: Path, out: Path, options: BuildOptions) -> multiprocessing.context.ForkServerProcess:
    """Start building in a process that begins within milliseconds."""
    process = FORKS.Process(target=build_often, args=(source, out, options))
    process.start()
    return process
