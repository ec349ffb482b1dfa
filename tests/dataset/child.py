"""A build in a process of its own, which may be killed."""

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.synchronize import Event
from pathlib import Path

from ftjob.dataset import mean
from ftjob.dataset.build import earlier, into_store, stage
from ftjob.dataset.build.build import BuildOptions, build
from ftjob.dataset.lmdb import records

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, earlier.__name__, mean.__name__, "obstore", "boto3"])

FULL_MAP = 1 << 16
"""Bytes of an LMDB's first map: so few that a build which goes on finds it full."""


def build_often(source: Path, out: Path, options: BuildOptions, begun: Event) -> None:
    """Build, and keep what is done after every few images, in a map that is full after every few."""
    stage.CHECKPOINT_SECONDS = 0.0
    stage.CHUNK = 4
    records.FIRST_MAP = FULL_MAP
    begun.set()
    build(source, out, options)


def build_at_in(environment: Mapping[str, str], source: str, out: str, options: BuildOptions) -> None:
    """Build to or from a store that an environment says how to reach."""
    os.environ.update(environment)
    into_store.build_at(source, out, options)


def start_build(source: Path, out: Path, options: BuildOptions) -> multiprocessing.context.ForkServerProcess:
    """Return a process that has just begun to build."""
    begun = FORKS.Event()
    process = FORKS.Process(target=build_often, args=(source, out, options, begun))
    process.start()
    begun.wait()
    return process
