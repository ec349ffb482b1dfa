"""From images to a dataset that Caffe reads: train and val LMDB, labels, mean, manifest."""

import hashlib
import shutil
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from ftjob import files
from ftjob.data.folder import SPLITS, TRAIN, VAL, DatasetFolder
from ftjob.data.lock import locked
from ftjob.data.manifest import Manifest, read_manifest
from ftjob.data.options import BuildOptions, Progress
from ftjob.data.order import Part, check_counts, shuffled, split_stratified
from ftjob.data.source import list_images
from ftjob.errors import BadSpecError

__all__ = ["BuildOptions", "Manifest", "Progress", "build"]

LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")


def build(
    source: Path,
    out: Path,
    options: BuildOptions,
    *,
    val: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Manifest:
    """Build OUT from images: `train/` and `val/` (LMDB), labels.txt, mean.binaryproto, sources.jsonl and,
    last of all, manifest.json.

    What an interrupted build left is gone on with. Raises BadDataError for images and labels that cannot be
    used, StorageError where OUT cannot be written.
    """
    if val is not None and options.val_split is not None:
        raise BadSpecError("val_split: there is a val already: give one of the two")
    folder = DatasetFolder(out)
    parts, classes = plan_parts(source, val, options)
    with locked(folder.lock, wait=False), files.explained(out):
        settle(folder)
        prepare_stage(folder.stage, plan_digest(parts, options))
        manifest = fill_stage(folder.stage, parts, classes, options, progress)
        files.write_json(folder.stage.manifest, manifest.to_json())
        settle(folder)
    return manifest


def plan_parts(
    source: Path, val: Path | None, options: BuildOptions
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    """List the images and decide which goes where: (parts, class names). Raises BadDataError."""
    listing = list_images(source)
    check_counts(listing, str(source))
    if options.val_split is not None:
        return split_stratified(listing, options.val_split, options.seed), listing.classes
    train = shuffled(listing, options.seed, TRAIN)
    if val is None:
        return (train,), listing.classes
    return (train, shuffled(list_images(val, listing.classes), options.seed, VAL)), listing.classes


def plan_digest(parts: tuple[Part, ...], options: BuildOptions) -> str:
    """Return a digest of everything that decides the records: what an unfinished build must agree on."""
    digest = hashlib.sha256(repr((options, made_with())).encode())
    for part in parts:
        listing = part.listing
        digest.update(f"{part.split} {listing.folder.root}\n".encode(errors="surrogateescape"))
        for at in part.places:
            line = f"{listing.paths[at]}\t{listing.labels[at]}\t{listing.stamps[at]}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def made_with() -> dict[str, str]:
    """Return the versions of what decodes, resizes and encodes."""
    return {name: version(name) for name in LIBRARIES}


def prepare_stage(stage: DatasetFolder, digest: str) -> None:
    """Keep what an interrupted build of the same plan left; throw away anything else."""
    if stage.plan.is_file() and stage.plan.read_text(encoding="utf-8") == digest:
        return
    if stage.root.exists():
        shutil.rmtree(stage.root)
    files.write_text(stage.plan, digest)


def fill_stage(
    folder: DatasetFolder,
    parts: tuple[Part, ...],
    classes: tuple[str, ...],
    options: BuildOptions,
    progress: Callable[[Progress], None],
) -> Manifest:
    """Make everything but manifest.json, and return what shall stand in that."""
    from ftjob.data.convert import NOTHING  # here, because OpenCV is slow to import
    from ftjob.data.mean import mean_pixel, write_mean_image
    from ftjob.data.stage import Stage, Work

    began = time.monotonic()
    with warnings.catch_warnings(action="ignore"):  # Pillow's, of odd files that are told of by name
        staged = Stage(folder, Work(parts, classes, options, NOTHING), progress).run()
    splits = staged.tally.splits()
    mean = staged.sums / splits[TRAIN].records
    write_mean_image(folder.mean, mean)
    files.write_text(folder.labels, "".join(f"{name}\n" for name in classes))
    return Manifest(
        sources={part.split: str(part.listing.folder.root) for part in parts},
        options=asdict(options),
        made_with=made_with(),
        labels=classes,
        splits=splits,
        mean=mean_pixel(mean),
        notes=dict(staged.tally.notes),
        unreadable=staged.tally.unreadable,
        unreadable_first=tuple(staged.tally.unreadable_first),
        reused=staged.reused,
        seconds=round(time.monotonic() - began, 3),
    )


def settle(folder: DatasetFolder) -> None:
    """Move a finished stage into place, also one whose moving was interrupted; manifest.json goes last."""
    stage = folder.stage
    if not stage.is_whole:
        return
    splits = read_manifest(stage.manifest).splits
    folder.manifest.unlink(missing_ok=True)
    for split in SPLITS:
        if stage.split(split).exists() or split not in splits:
            shutil.rmtree(folder.split(split), ignore_errors=True)
        if stage.split(split).exists():
            stage.split(split).replace(folder.split(split))
    for name in (stage.labels, stage.mean, stage.sources, stage.manifest):
        if name.exists():
            name.replace(folder.root / name.name)
    shutil.rmtree(stage.root)
