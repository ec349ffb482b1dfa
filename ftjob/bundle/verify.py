"""Verifies, on any machine, that a bundle gives the scores that it gave where it was made."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftjob.bundle.alike import ALIKE, Answers, Scores, ask, difference
from ftjob.bundle.golden import golden_inputs
from ftjob.bundle.hardware import Hardware, choose_hardware
from ftjob.bundle.opening import open_checked, read_checked
from ftjob.bundle.preprocess import Preprocess
from ftjob.bundle.schema import BundleManifest, GoldenScores
from ftjob.engine.open import READERS
from ftjob.net.precision import Precision
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.layout import BundleFolder

TOLERANCE: dict[Precision, float] = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 5e-2, "fp16": 1e-2}
"""What scores may differ by, as a share of the largest: in fp32 as sums in another order do; in the others as
products of 10 bits (tf32, fp16) or 7 bits (bf16) do. A wrong mean or crop exceeds that of fp32."""
TRANSLATED = 1e-4
"""The same for a net that was translated: by ONNX Runtime, OpenCV and torch.export."""


@dataclass(frozen=True)
class Verification:
    """How a bundle's scores compare with those stored in it."""

    bundle: str
    images: int
    same_answers: int
    """Images whose highest score is at the same class, within rounding."""
    largest_difference: float
    """Between two scores, as a share of the largest score."""
    together_difference: float
    """The same between an image's scores alone and in a batch."""
    right_answers: int
    """Images whose highest score is at their label."""
    engine: str
    device: str
    """What computed: the GPU's name, or `processors`."""
    precision: Precision
    tolerance: float
    """What the largest difference may be."""

    @property
    def ok(self) -> bool:
        """Whether the scores are the same, alone and in a batch."""
        same = self.same_answers == self.images and self.largest_difference <= self.tolerance
        return same and self.together_difference <= self.alike

    @property
    def alike(self) -> float:
        """What the difference in a batch may be: batches of another size may round in other places."""
        return ALIKE if self.precision == "fp32" else self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        return {**dataclasses.asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Question:
    """A bundle's checked input for an engine, and the scores expected from it."""

    manifest: BundleManifest
    how: Preprocess
    net: NetParameter
    weights: Path
    images: NDArray[np.float32]
    """(N, C, H, W)."""
    golden: GoldenScores

    @property
    def expected(self) -> Scores:
        """(N, K)."""
        return np.array([image.scores for image in self.golden.images], dtype=np.float32)


def verify(root: Path, engine: str, log: Path, *, gpu: bool = False, precision: str = "fp32") -> Verification:
    """Check every file, run the golden images through the net, alone and together, and compare the scores.

    `gpu` computes on this machine's first one. Engine `auto` is torch for that and for a precision other than
    fp32. Raises BadSpecError for a precision that there is not, or not here, BadNetError as `read_bundle`
    does, and what engines raise.
    """
    hardware = choose_hardware(engine, gpu=gpu, precision=precision)
    question = read_bundle(root)
    answers = _answers(question, hardware, log)
    tolerance = TRANSLATED if hardware.engine in READERS else TOLERANCE[hardware.precision]
    expected = question.expected
    labels = np.array([image.label for image in question.golden.images])
    return Verification(
        bundle=str(root),
        images=len(question.images),
        same_answers=int(same_answers_of(answers.alone, expected, tolerance).sum()),
        largest_difference=difference(answers.alone, expected),
        together_difference=answers.difference,
        right_answers=int((answers.alone.argmax(axis=1) == labels).sum()),
        engine=hardware.engine,
        device=hardware.name,
        precision=hardware.precision,
        tolerance=tolerance,
    )


def read_bundle(root: Path) -> Question:
    """Check every file of a bundle from an untrusted source, alone and against the others.

    Raises BadNetError, naming the file, where something is missing, malformed, too large, or not what the
    bundle was made with.
    """
    bundle, found = BundleFolder(root), read_checked(root)
    inputs = golden_inputs(bundle, found.how, found.golden, found.image)
    return Question(found.manifest, found.how, found.net, bundle.weights, inputs, found.golden)


def _answers(question: Question, hardware: Hardware, log: Path) -> Answers:
    """Return an engine's scores of the checked net."""
    with open_checked(question.net, question.weights, hardware, log) as net:
        return ask(net, question.images, question.golden.blob)


def same_answers_of(scores: Scores, expected: Scores, tolerance: float) -> NDArray[np.bool_]:
    """Return for each image whether the highest class is still the highest, within the tolerance."""
    rows, before = np.arange(len(scores)), expected.argmax(axis=1)
    with np.errstate(invalid="ignore"):  # of two infinite scores
        behind = scores.max(axis=1) - scores[rows, before]
    close = behind <= tolerance * np.abs(scores).max()
    return np.asarray(close | (scores.argmax(axis=1) == before))
