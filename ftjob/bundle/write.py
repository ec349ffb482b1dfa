"""Make a run's bundle: net, weights, labels, preprocessing, golden images with their scores."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ftjob.bundle.alike import ask, depends_on_company
from ftjob.bundle.golden import most_images
from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.bundle.schema import LARGEST_SCORES, BundleManifest, GoldenImage, GoldenScores
from ftjob.dataset.labels import write_labels
from ftjob.dataset.lmdb.read import records
from ftjob.dataset.mean_image import read_mean_image
from ftjob.engine.open import open_deploy
from ftjob.errors import BadNetError, DivergedError
from ftjob.fs import files
from ftjob.net.surgery.deploy import score_blob
from ftjob.plan.plan import Plan
from ftjob.runfolder.layout import BundleFolder, RunFolder
from ftjob.runfolder.records.evaluation import read_evaluation

GOLDEN_IMAGES = 16
BYTES_A_SCORE = 32
"""In golden/scores.json, at most."""
MOST_SEARCHED = 5000
"""Records of the validation data searched for golden images of different classes."""


@dataclass(frozen=True)
class Golden:
    """The golden images of a bundle."""

    images: int
    right_answers: int
    """Images whose highest score is at their label."""

    def __str__(self) -> str:
        return f"{self.right_answers} of {self.images} golden images are classified correctly"


def write_bundle(plan: Plan, run: RunFolder, iteration: int, log: Path) -> Golden:
    """Write `bundle/` from one snapshot, whole or not at all; an older bundle is replaced.

    Raises BadNetError where an image's scores depend on the other images in its batch, DivergedError where
    they depend on the batch size or are no numbers.
    """
    fresh = BundleFolder(run.root / ".bundle.partial")
    with files.explained(run.bundle):
        shutil.rmtree(fresh.root, ignore_errors=True)
        fresh.golden.mkdir(parents=True)
    how = preprocess_of(plan)
    files.copy(run.deploy, fresh.deploy)
    files.copy(run.caffemodel(iteration), fresh.weights)
    files.copy(run.evaluation, fresh.evaluation)
    if plan.inputs.mean_file:
        files.copy(plan.inputs.mean_file, fresh.mean)
    write_labels(fresh.labels, plan.labels)
    files.write_json(fresh.preprocess, how.to_json())
    golden = write_golden(plan, how, fresh, log)
    files.write_json(fresh.manifest, asdict(manifest(plan, fresh, iteration)))
    with files.explained(run.bundle):
        shutil.rmtree(run.bundle, ignore_errors=True)
        fresh.root.replace(run.bundle)
    return golden


def preprocess_of(plan: Plan) -> Preprocess:
    """Return the preprocessing of a plan's data layers."""
    train, data = plan.inputs.train, plan.spec.data
    return Preprocess(
        channels=train.channels,
        height=train.height,
        width=train.width,
        resize_mode=train.resize_mode,
        crop=data.crop,
        mean=plan.inputs.mean,
        mean_file=BundleFolder(Path()).mean.name if plan.inputs.mean_file else None,
        scale=data.scale,
        face_crop=train.face_crop,
    )


def write_golden(plan: Plan, how: Preprocess, bundle: BundleFolder, log: Path) -> Golden:
    """Store validation images losslessly, each with the scores that the bundled net gives it alone."""
    chosen = golden_images(plan)
    mean_image = read_mean_image(bundle.mean) if how.mean_file else None
    inputs = np.stack([transform(image, how, mean_image) for _, image in chosen])
    score = score_blob(plan.deploy)
    with open_deploy(plan.engine.name, bundle.deploy, bundle.weights, log=log) as net:
        answers = ask(net, inputs, score)
        mixing = not answers.alike and depends_on_company(net, inputs, score)
    if not np.isfinite(answers.alone).all():
        raise DivergedError(
            "the net's scores of validation images are no finite numbers: lower solver.base_lr; no bundle is "
            "made"
        )
    if not answers.alike and not mixing:
        raise DivergedError(
            f"an image's scores change by {answers.difference:.1e} of the largest with how many images are "
            "asked at once: float32 keeps no digits of the net's sums, as where it diverged; "
            "lower solver.base_lr; no bundle is made"
        )
    if mixing:
        raise BadNetError(
            f"base.net: an image's scores change by {answers.difference:.1e} of the largest with the images "
            "asked beside it: some layer computes with several images at once; no bundle is made"
        )
    stored = []
    for number, ((label, image), row) in enumerate(zip(chosen, answers.alone, strict=True)):
        name = f"{number:02d}.png"
        pixels = image[:, :, 0] if how.channels == 1 else image[:, :, ::-1]
        with files.whole(bundle.golden / name) as temporary:
            Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
        stored.append(GoldenImage(name, label, tuple(row.tolist())))
    files.write_json(bundle.golden_scores, asdict(GoldenScores(score, tuple(stored))))
    labels = np.array([label for label, _ in chosen])
    return Golden(len(chosen), int((answers.alone.argmax(axis=1) == labels).sum()))


def golden_images(plan: Plan) -> list[tuple[int, NDArray[np.uint8]]]:
    """Return (label, image) of the first validation image of every class, up to GOLDEN_IMAGES, and no more
    than `verify` reads of nets with large inputs or very many classes."""
    chosen: dict[int, NDArray[np.uint8]] = {}
    _, *image = plan.deploy.layer[0].input_param.shape[0].dim
    of_scores = max(1, LARGEST_SCORES // (BYTES_A_SCORE * len(plan.labels)))
    wanted = min(GOLDEN_IMAGES, len(plan.inputs.val.histogram), most_images(tuple(image)), of_scores)
    for number, record in enumerate(records(plan.inputs.val.path)):
        chosen.setdefault(record.label, record.image)
        if len(chosen) == wanted or number == MOST_SEARCHED:
            break
    return sorted(chosen.items())


def manifest(plan: Plan, bundle: BundleFolder, iteration: int) -> BundleManifest:
    """Return what the bundle was made from, and the digest of every file in it."""
    paths = sorted(path for path in bundle.root.rglob("*") if path.is_file())
    return BundleManifest(
        name=plan.spec.name,
        run_id=plan.run_id,
        iteration=iteration,
        accuracy=read_evaluation(bundle.evaluation).accuracy,
        files={str(path.relative_to(bundle.root)): files.sha256(path) for path in paths},
    )
