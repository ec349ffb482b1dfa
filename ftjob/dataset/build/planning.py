"""Plans a build from the names of the images, before any is read."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ftjob.dataset.build.order import Part, check_counts, shuffled, split_stratified
from ftjob.dataset.build_options import BuildOptions
from ftjob.dataset.folder import TRAIN, VAL
from ftjob.dataset.image.detector import DETECTOR
from ftjob.dataset.journal import read_lines
from ftjob.dataset.manifest import Manifest
from ftjob.dataset.source.source import list_images
from ftjob.dataset.source.stored import Place
from ftjob.errors import BadDataError, BadSpecError

LIBRARIES = ("numpy", "opencv-contrib-python-headless", "pillow", "simplejpeg")


@dataclass(frozen=True)
class BuildPlaces:
    """Where images come from and go to."""

    train: Place
    val: Place | None
    out: Path


@dataclass(frozen=True)
class WorkPlan:
    """Which image becomes which record."""

    parts: tuple[Part, ...]
    classes: tuple[str, ...]
    digest: str
    """Of everything that decides the records: an unfinished build must agree on it."""
    digest_seed: bytes
    """Of what all records have in common."""

    @property
    def sources(self) -> dict[str, str]:
        """Where the images of each split lie."""
        return {part.split: part.listing.tree.name for part in self.parts}


def plan_work(sources: BuildPlaces, options: BuildOptions, journal_before: Path | None = None) -> WorkPlan:
    """List the images and decide which goes where. Raises BadDataError and BadSpecError.

    `journal_before` is the sources.jsonl of a build with the same seed and split: its images stay there.
    """
    if sources.val is not None and options.val_split is not None:
        raise BadSpecError("val_split: there is a val already: give one of the two")
    if _lies_inside(sources.out, sources.train):
        raise BadDataError(f"{sources.out}: lies inside {sources.train}: give an OUT beside it")
    if sources.val is not None and _is_same(sources.val, sources.train):
        raise BadDataError(
            f"{sources.val}: is the same as {sources.train}: give images that are not in it, or split some "
            "off with --val-split"
        )
    parts, classes = _parts(sources, options, journal_before)
    seed = hashlib.sha256(repr((_pixels(options), made_with(options))).encode()).digest()
    return WorkPlan(parts, classes, _digest(parts, options, seed), seed)


def _lies_inside(out: Path, train: Place) -> bool:
    if not isinstance(train, Path) or not train.is_dir():  # such as a link to itself
        return False
    return out.resolve().is_relative_to(train.resolve())


def _is_same(val: Place, train: Place) -> bool:
    if isinstance(val, Path) and isinstance(train, Path):
        return val.exists() and train.exists() and val.samefile(train)
    return str(val) == str(train)


def like(before: Manifest, options: BuildOptions) -> bool:
    """Return whether a build made its records, and its split, as these options would."""
    old = BuildOptions(**before.options)
    same_split = (old.val_split, old.seed) == (options.val_split, options.seed)
    return same_split and _pixels(old) == _pixels(options) and before.made_with == made_with(options)


def made_with(options: BuildOptions) -> dict[str, str]:
    """Return the versions of what decodes, resizes and encodes, and finds faces."""
    return {name: version(name) for name in (*LIBRARIES, *((DETECTOR,) if options.face_crop else ()))}


def _pixels(options: BuildOptions) -> tuple[object, ...]:
    """The options that decide what becomes of an image's pixels."""
    pixels = options.height, options.width, options.mode, options.color, options.encoding
    return (*pixels, "face_crop") if options.face_crop else pixels


def _parts(
    sources: BuildPlaces, options: BuildOptions, journal_before: Path | None
) -> tuple[tuple[Part, ...], tuple[str, ...]]:
    listing = list_images(sources.train)
    check_counts(listing, str(sources.train))
    if options.val_split is not None:
        known = {line.source: line.split for line in read_lines(journal_before)} if journal_before else {}
        return split_stratified(listing, options.val_split, options.seed, known), listing.classes
    train = shuffled(listing, options.seed, TRAIN)
    if sources.val is None:
        return (train,), listing.classes
    return (train, shuffled(list_images(sources.val, listing.classes), options.seed, VAL)), listing.classes


def _digest(parts: tuple[Part, ...], options: BuildOptions, seed: bytes) -> str:
    digest = hashlib.sha256(seed + repr(options).encode())
    for part in parts:
        listing = part.listing
        digest.update(f"{part.split} {listing.tree.name}\n".encode(errors="surrogateescape"))
        for at in part.places:
            line = f"{listing.paths[at]}\t{listing.labels[at]}\t{listing.stamps[at]}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()
