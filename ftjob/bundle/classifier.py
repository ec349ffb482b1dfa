"""A bundle at work: image files in, a probability for every class out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ftjob.bundle.hardware import Hardware
from ftjob.bundle.model import ImageShape
from ftjob.bundle.opening import open_checked, read_checked
from ftjob.bundle.preprocess import Preprocess, transform
from ftjob.bundle.schema import BundleManifest
from ftjob.dataset.image.detector import require_detector
from ftjob.dataset.image.pixels import MAX_PIXELS, Shape, UnreadableImageError, stored_picture
from ftjob.dataset.labels import read_labels
from ftjob.dataset.mean_image import read_mean_image
from ftjob.dataset.modes import resize_mode
from ftjob.engine import DeployNet
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.net import data_transformer
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.runfolder.layout import BundleFolder

Inputs = NDArray[np.float32]
"""(N, C, H, W)."""


@dataclass(frozen=True)
class Reader:
    """Makes a net's input from an image file, as `ftjob data build` and Caffe's TEST phase do."""

    how: Preprocess
    shape: Shape
    """Of the images that the net was trained on."""
    image: ImageShape
    """What the net takes."""
    mean_image: NDArray[np.float32] | None
    most_pixels: int = MAX_PIXELS
    """Of an image file."""

    def read(self, data: bytes) -> NDArray[np.float32]:
        """Return an image file as the net's input (C, H, W); threads may call it side by side.

        Raises UnreadableImageError.
        """
        return self.prepared(self.stored(data))

    def stored(self, data: bytes) -> NDArray[np.uint8]:
        """Return an image file as the data have images, (H, W, C) in BGR. Raises UnreadableImageError."""
        pixels = stored_picture(data, self.shape, self.most_pixels).pixels
        return pixels[:, :, np.newaxis] if pixels.ndim == 2 else pixels

    def seen(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the part of a stored image that the net sees, (crop, crop, C), nothing subtracted yet."""
        window = data_transformer.middle((stored.shape[0], stored.shape[1]), self.how.crop)
        return data_transformer.cut(stored.transpose(2, 0, 1), window).transpose(1, 2, 0)

    def prepared(self, stored: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a stored image as the net's input (C, H, W). Raises UnreadableImageError."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = transform(stored, self.how, self.mean_image)
        if not np.isfinite(values).all():
            raise UnreadableImageError("becomes numbers beyond float32 with the bundle's mean and scale")
        return values


@dataclass(frozen=True)
class Model:
    """A bundle whose files were checked, and no engine started yet."""

    labels: tuple[str, ...]
    reader: Reader
    net: NetParameter
    weights: Path
    scores: str
    """The net's blob with the scores."""
    manifest: BundleManifest


@dataclass(frozen=True)
class Classifier:
    """A bundle whose net is open in an engine."""

    model: Model
    net: DeployNet

    def probabilities(self, inputs: Inputs) -> NDArray[np.float32]:
        """Return the softmax of every image's scores, (N, K). Raises EngineError."""
        scores = self.net.forward(inputs, [self.model.scores])[self.model.scores]
        return softmax(scores.reshape(len(inputs), -1))


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return scores (N, K) as probabilities; a row with a score that is no number becomes NaN."""
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def read_for_use(root: Path, *, face_crop: bool | None = None) -> Model:
    """Check every file of a bundle, and return what classifies with it.

    The bundle decides whether faces are cut out of pictures, unless `face_crop` does. Raises BadSpecError
    where that takes a detector and none is installed; BadNetError, naming the file, for what is missing,
    damaged or not what the bundle was made with.
    """
    bundle, found = BundleFolder(root), read_checked(root)
    how = found.how
    faces = how.face_crop if face_crop is None else face_crop
    if faces:
        require_detector()
    try:
        shape = Shape(how.height, how.width, resize_mode(how.resize_mode), how.channels == 3, faces)
        labels = read_labels(bundle.labels)
        mean = read_mean_image(bundle.mean) if how.mean_file else None
    except (BadSpecError, BadDataError) as error:
        raise BadNetError(f"{bundle.root}: {error}: copy it again from the run") from None
    if mean is not None and mean.shape != (how.channels, how.height, how.width):
        raise BadNetError(f"{bundle.mean}: is not of the size in preprocess.json: copy it again from the run")
    reader = Reader(how, shape, found.image, mean)
    return Model(labels, reader, found.net, bundle.weights, found.golden.blob, found.manifest)


@contextmanager
def open_classifier(model: Model, hardware: Hardware) -> Iterator[Classifier]:
    """Open a checked bundle's net in an engine. Raises EngineError."""
    with open_checked(model.net, model.weights, hardware) as net:
        yield Classifier(model, net)
