"""Checks a bundle's files: named in its manifest, within its folder, regular and unchanged."""

import stat
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

from ftjob.bundle.schema import BundleManifest, GoldenScores
from ftjob.errors import BadNetError
from ftjob.fs import files
from ftjob.fs.documents import SMALL, UnreadableError, check_size, parse_as, read_bytes, read_text
from ftjob.runfolder.layout import BundleFolder

LARGEST = 2**31 - 1
"""Bytes: of a caffemodel, as protobuf has it, and so of every other file."""
_AGAIN = "copy it again from the run"
T = TypeVar("T")


def checked_files(bundle: BundleFolder) -> BundleManifest:
    """Return a bundle's manifest after checking every file in it. Other files are ignored.

    Raises BadNetError for a file that is missing, leads out of the folder, is not regular, too large, or not
    the one that the bundle was made with; and where the manifest lacks a file that every bundle has.
    """
    try:
        data = read_bytes(bundle.manifest)
    except OSError:
        raise BadNetError(
            f"{bundle.root}: not a bundle (no readable manifest.json): give a run's bundle folder"
        ) from None
    except UnreadableError as error:
        raise BadNetError(f"{bundle.manifest}: {error}: {_AGAIN}") from None
    manifest = parse_manifest(data, bundle)
    for key, digest in manifest.files.items():
        path = _inside(bundle.root / key, bundle.root)
        if files.sha256(path) != digest:
            raise BadNetError(f"{path}: not the file the bundle was made with: {_AGAIN}")
    return manifest


def parse_manifest(data: bytes, bundle: BundleFolder) -> BundleManifest:
    """Return the manifest of a bundle. Raises BadNetError."""
    try:
        manifest = parse_as(BundleManifest, data)
    except UnreadableError as error:
        raise BadNetError(f"{bundle.manifest}: {error}: {_AGAIN}") from None
    needed = (
        bundle.deploy,
        bundle.weights,
        bundle.labels,
        bundle.preprocess,
        bundle.evaluation,
        bundle.golden_scores,
    )
    require(manifest, bundle, needed)
    return manifest


def require(manifest: BundleManifest, bundle: BundleFolder, paths: Collection[Path]) -> None:
    """Raise BadNetError for a file that is not in the manifest, which cannot be verified."""
    for path in paths:
        key = path.relative_to(bundle.root).as_posix()
        if key not in manifest.files:
            raise BadNetError(f"{bundle.manifest}: does not name {key}: {_AGAIN}")


def read_document(model: type[T], path: Path, largest: int = SMALL) -> T:
    """Return one of a bundle's documents. Raises BadNetError."""
    try:
        return parse_as(model, read_bytes(path, largest))
    except UnreadableError as error:
        raise BadNetError(f"{path}: {error}: {_AGAIN}") from None
    except OSError as error:
        raise BadNetError(f"{path}: cannot be read ({error.strerror}): {_AGAIN}") from None


def check_labels(bundle: BundleFolder, golden: GoldenScores) -> None:
    """Raise BadNetError unless labels.txt has a line for every score."""
    try:
        lines = read_text(bundle.labels).count("\n")
    except (UnreadableError, OSError) as error:
        raise BadNetError(f"{bundle.labels}: {error}: {_AGAIN}") from None
    if lines != golden.classes:
        raise BadNetError(
            f"{bundle.labels}: has {lines} lines, and golden/scores.json {golden.classes} scores for an "
            f"image: {_AGAIN}"
        )


def _inside(path: Path, root: Path) -> Path:
    """Return a regular file's path, or raise BadNetError."""
    try:
        real = path.resolve(strict=True)
        found = real.stat()
        within = real.is_relative_to(root.resolve(strict=True))
        check_size(found.st_size, LARGEST)
    except FileNotFoundError:
        raise BadNetError(f"{path}: missing from the bundle: {_AGAIN}") from None
    except UnreadableError as error:
        raise BadNetError(f"{path}: {error}: {_AGAIN}") from None
    except (OSError, RuntimeError) as error:  # of links that go round in a circle
        reason = getattr(error, "strerror", None) or "its links go round in a circle"
        raise BadNetError(f"{path}: cannot be read ({reason}): {_AGAIN}") from None
    if not within:
        raise BadNetError(f"{path}: leads out of the bundle's folder: {_AGAIN}")
    if not stat.S_ISREG(found.st_mode):
        raise BadNetError(f"{path}: is not a regular file: {_AGAIN}")
    return path
