"""Builds a dataset that Caffe reads from images: train and val LMDB, labels, mean, manifest."""

import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ftjob.dataset.build.lock import locked
from ftjob.dataset.build.planning import BuildPlaces, WorkPlan, like, made_with, plan_work
from ftjob.dataset.build.publish import discard, nothing_left, prepare_stage, refuse_foreign, settle
from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.folder import DATA_FILE, TRAIN, DatasetFolder
from ftjob.dataset.image.detector import require_detector
from ftjob.dataset.labels import write_labels
from ftjob.dataset.manifest import Manifest, read_manifest
from ftjob.dataset.source.stored import Place
from ftjob.errors import BadDataError
from ftjob.fs import files

__all__ = ["BuildOptions", "DataProgress", "Manifest", "build"]


def build(
    source: Place,
    out: Path,
    options: BuildOptions,
    *,
    val: Place | None = None,
    progress: Callable[[DataProgress], None] = lambda _: None,
) -> Manifest:
    """Build OUT from images: `train/` and `val/` (LMDB), labels.txt, mean.binaryproto, sources.jsonl and,
    last of all, manifest.json.

    Resumes an interrupted build; from a whole OUT, takes images that have not changed without decoding them,
    and leaves all in the split they were in. Raises BadSpecError where faces are to be cut out and nothing
    that finds them is installed, BadDataError for images and labels that cannot be used, StorageError where
    OUT cannot be written.
    """
    if options.face_crop:
        require_detector()
    folder = DatasetFolder(out)
    sources = BuildPlaces(source, val, out)
    with files.explained(out):
        is_new = not out.exists()
    with files.explained(out), locked(folder.lock, wait=False), nothing_left(folder, is_new=is_new):
        settle(folder)
        refuse_foreign(folder)
        before = _manifest_before(folder, options)
        plan = plan_work(sources, options, folder.sources if before else None)
        if before is not None and before.plan == plan.digest:
            discard(folder.stage)
            return before
        prepare_stage(folder.stage, plan.digest)
        manifest = _fill_stage(folder, plan, options, before, progress)
        files.write_json(folder.stage.manifest, manifest.to_json())
        settle(folder)
    return manifest


def _manifest_before(folder: DatasetFolder, options: BuildOptions) -> Manifest | None:
    """Return the manifest of a whole OUT whose records can be reused; None where there is none."""
    try:
        before = read_manifest(folder.manifest)
    except BadDataError:
        return None  # no manifest, or one that cannot be read: everything is made anew
    return before if like(before, options) else None


def _fill_stage(
    folder: DatasetFolder,
    plan: WorkPlan,
    options: BuildOptions,
    before: Manifest | None,
    progress: Callable[[DataProgress], None],
) -> Manifest:
    """Make everything but manifest.json, and return the manifest to write."""
    from ftjob.dataset.build.earlier import earlier_records  # here, because OpenCV is slow to import
    from ftjob.dataset.build.equal_files import equal_files
    from ftjob.dataset.build.stage import Stage, Work
    from ftjob.dataset.mean_image import mean_pixel, write_mean_image

    began = time.monotonic()
    stage = folder.stage
    with earlier_records(folder, before) as earlier, warnings.catch_warnings(action="ignore"):
        work = Work(plan.parts, plan.classes, options, earlier, plan.digest_seed)
        staged = Stage(stage, work, progress).run()
    splits = {
        part.split: staged.tally.counts(part.split, (stage.split(part.split) / DATA_FILE).stat().st_size)
        for part in plan.parts
    }
    for split in splits:
        if not splits[split].records:
            raise BadDataError(
                f"{folder.root}: not one image of {split} can be read: fix them or give others"
            )
    mean = staged.sums / splits[TRAIN].records
    write_mean_image(stage.mean, mean)
    write_labels(stage.labels, plan.classes)
    return Manifest(
        sources=plan.sources,
        options=asdict(options),
        made_with=made_with(options),
        labels=plan.classes,
        plan=plan.digest,
        splits=splits,
        mean=mean_pixel(mean),
        notes=dict(staged.tally.notes),
        unreadable=staged.tally.unreadable,
        unreadable_first=tuple(staged.tally.unreadable_first),
        warnings=equal_files(stage.sources, plan.sources),
        reused=staged.reused,
        seconds=round(time.monotonic() - began, 3),
    )
