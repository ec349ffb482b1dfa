"""Prove, anywhere, that a bundle answers as it did where it was made."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ftjob import files
from ftjob.bundle.alike import ALIKE, Scores, ask, difference
from ftjob.bundle.preprocess import Preprocess, preprocess_from_json, transform
from ftjob.engine.open import open_deploy, resolve
from ftjob.errors import BadNetError
from ftjob.layout import BundleFolder
from ftjob.mean import read_mean_image

TOLERANCE = 1e-3
"""Of the largest score: what float32 sums in another order may differ by, and no wrong mean or crop does."""


@dataclass(frozen=True)
class Verification:
    """How a bundle's answers compare with those it came with."""

    bundle: str
    images: int
    same_answers: int
    """Images whose highest score is at the same class, or as high there as rounding tells."""
    largest_difference: float
    """Between two scores, as a share of the largest score."""
    together_difference: float
    """The same between an image's scores asked alone and asked with other images."""
    right_answers: int
    """Images whose highest score is at their label."""
    engine: str

    @property
    def ok(self) -> bool:
        """Whether it answers the same, and whatever is asked beside an image."""
        same = self.same_answers == self.images and self.largest_difference <= TOLERANCE
        return same and self.together_difference <= ALIKE

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        return {**dataclasses.asdict(self), "ok": self.ok}


def verify(root: Path, engine: str, log: Path) -> Verification:
    """Check every digest, run the golden images through the net, alone and together, and compare the scores.

    Raises BadNetError where a file is missing or not the one the bundle was made with.
    """
    bundle, engine = BundleFolder(root), resolve(engine)
    check_files(bundle)
    try:
        how = preprocess_from_json(json.loads(bundle.preprocess.read_text(encoding="utf-8")))
        golden = json.loads(bundle.golden_scores.read_text(encoding="utf-8"))
        expected = np.array([image["scores"] for image in golden["images"]], dtype=np.float32)
        labels = np.array([image["label"] for image in golden["images"]])
        blob = golden["blob"]
    except (KeyError, TypeError, ValueError) as error:
        raise BadNetError(
            f"{root}: not a bundle of this version of ftjob ({error}): make it again"
        ) from error
    inputs = golden_inputs(bundle, how, golden["images"])
    with open_deploy(engine, bundle.deploy, bundle.weights, log=log) as net:
        answers = ask(net, inputs, blob)
    highest = answers.alone.argmax(axis=1)
    return Verification(
        bundle=str(root),
        images=len(inputs),
        same_answers=int(same_answers_of(answers.alone, expected).sum()),
        largest_difference=difference(answers.alone, expected),
        together_difference=answers.difference,
        right_answers=int((highest == labels).sum()),
        engine=engine,
    )


def same_answers_of(scores: Scores, expected: Scores) -> NDArray[np.bool_]:
    """Say of each image whether the class that was highest still is, but for what the tolerance allows."""
    rows, before = np.arange(len(scores)), expected.argmax(axis=1)
    with np.errstate(invalid="ignore"):  # of two infinite scores
        behind = scores.max(axis=1) - scores[rows, before]
    close = behind <= TOLERANCE * np.abs(scores).max()
    return np.asarray(close | (scores.argmax(axis=1) == before))


def check_files(bundle: BundleFolder) -> None:
    """Raise BadNetError for a file that is missing or changed."""
    try:
        digests = json.loads(bundle.manifest.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadNetError(
            f"{bundle.root}: not a bundle (no readable manifest.json): give a run's bundle folder"
        ) from error
    for name, digest in digests.items():
        path = bundle.root / name
        if not path.is_file():
            raise BadNetError(f"{path}: missing from the bundle: copy it again from the run")
        if files.sha256(path) != digest:
            raise BadNetError(f"{path}: not the file the bundle was made with: copy it again from the run")


def golden_inputs(bundle: BundleFolder, how: Preprocess, images: list[dict[str, Any]]) -> NDArray[np.float32]:
    """Return the preprocessed golden images, (N, C, H, W)."""
    mean_image = read_mean_image(bundle.mean) if how.mean_file else None
    inputs = []
    for told in images:
        with Image.open(bundle.golden / told["image"]) as picture:
            pixels = np.asarray(picture)
        stored = pixels[:, :, np.newaxis] if how.channels == 1 else pixels[:, :, ::-1]
        inputs.append(transform(stored, how, mean_image))
    return np.stack(inputs)
