"""Moves a finished stage into OUT, and refuses to touch what no build made."""

import contextlib
import shutil
from collections.abc import Iterator

from ftjob.dataset.folder import SPLITS, DatasetFolder
from ftjob.dataset.manifest import read_manifest
from ftjob.errors import BadDataError, FtjobError
from ftjob.fs import documents, files


def refuse_foreign(folder: DatasetFolder) -> None:
    """Raise BadDataError where OUT holds a train or val that no build made."""
    for split in SPLITS:
        if folder.split(split).exists() and not folder.is_whole:
            raise BadDataError(
                f"{folder.split(split)}: is there already and not built by ftjob: "
                "give another OUT, or remove it"
            )


@contextlib.contextmanager
def nothing_left(folder: DatasetFolder, *, is_new: bool) -> Iterator[None]:
    """Remove an OUT that is new where a build is refused before it made anything; its lock is held."""
    try:
        yield
    except FtjobError:
        if is_new and [each.name for each in folder.root.iterdir()] == [folder.lock.name]:
            folder.lock.unlink()
            folder.root.rmdir()
        raise


def prepare_stage(stage: DatasetFolder, plan_digest: str) -> None:
    """Keep what an interrupted build of the same plan left; throw away anything else."""
    with contextlib.suppress(documents.UnreadableError, FileNotFoundError):
        if documents.read_text(stage.plan) == plan_digest:
            return
    discard(stage)
    files.write_text(stage.plan, plan_digest)


def discard(stage: DatasetFolder) -> None:
    """Remove what an interrupted build left.

    The plan goes first: if the removal is interrupted, no build resumes from what is left.
    """
    stage.plan.unlink(missing_ok=True)
    if stage.root.exists():
        shutil.rmtree(stage.root)


def settle(folder: DatasetFolder) -> None:
    """Move a finished stage into place, or finish an interrupted move; manifest.json goes last."""
    stage = folder.stage
    if not stage.is_whole:
        return
    stage.plan.unlink(missing_ok=True)  # no build may resume from what is left of the stage
    splits = read_manifest(stage.manifest).splits
    folder.manifest.unlink(missing_ok=True)
    for split in SPLITS:
        if folder.split(split).exists() and (stage.split(split).exists() or split not in splits):
            shutil.rmtree(folder.split(split))
        if stage.split(split).exists():
            stage.split(split).replace(folder.split(split))
    for name in (stage.labels, stage.mean, stage.sources, stage.manifest):
        if name.exists():
            name.replace(folder.root / name.name)
    shutil.rmtree(stage.root)
