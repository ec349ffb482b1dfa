"""Exports a bundle's net for other programs, once they give its golden images the scores they had."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ftjob.bundle.alike import AT_ONCE, Scores, difference
from ftjob.bundle.golden import golden_pixels
from ftjob.bundle.opening import written_deploy
from ftjob.bundle.verify import TRANSLATED, Question, read_bundle
from ftjob.dataset.labels import read_labels
from ftjob.dataset.mean_image import read_mean_image
from ftjob.engine.exported import ExportedModel, Layout, Order, PixelInput
from ftjob.engine.open import open_deploy
from ftjob.errors import BadDataError, BadNetError, BadSpecError, EngineError
from ftjob.fs import files
from ftjob.net import data_transformer
from ftjob.net.topology.shapes import infer_shapes
from ftjob.runfolder.layout import BundleFolder

FileFormat = Literal["onnx", "torch"]
Takes = Literal["prepared", "nhwc", "nchw"]
"""What an exported file takes: the net's own input, which the caller prepares, or images of bytes."""


@dataclass(frozen=True)
class Exported:
    """A file that was written, and how its scores compare with those stored in the bundle."""

    path: str
    format: FileFormat
    bytes: int
    takes: str
    """The type, layout and shape of its input, as `uint8 NHWC Nx256x256x3 rgb`."""
    outputs: tuple[str, ...]
    scores: str
    """The output that the bundle's golden scores are of."""
    images: int
    largest_difference: float
    """Between two scores, alone and in a batch, as a share of the largest score."""
    tolerance: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values, as `-o json` has them."""
        return dataclasses.asdict(self)


def export(
    root: Path, path: Path, fmt: FileFormat, takes: Takes = "prepared", order: Order = "rgb"
) -> Exported:
    """Write a bundle's net into a file that is not there yet, whole and checked, or not at all.

    Raises BadSpecError for a file that is there, BadNetError as `read_bundle` does, and naming the layer
    where that is known, for what the format has no counterpart of and for scores that are others than
    the bundle's; EngineError where the format's library is not installed; and StorageError.
    """
    if path.exists() or path.is_symlink():
        raise BadSpecError(f"{path}: is there already: remove it or choose another name")
    question, bundle = read_bundle(root), BundleFolder(root)
    pixels = None if takes == "prepared" else _pixel_input(question, bundle, takes, order)
    images: NDArray[Any] = question.images
    if pixels:
        stored = golden_pixels(bundle, question.how, question.golden)[..., :: -1 if pixels.reverses else 1]
        images = np.ascontiguousarray(stored if takes == "nhwc" else stored.transpose(0, 3, 1, 2))
    blob = question.golden.blob
    outputs = tuple(dict.fromkeys([*_outputs(question), blob]))
    facts = _facts(question, bundle, pixels)
    with _exported(question, fmt, outputs, pixels, facts) as model:
        apart = _difference(model, images, question.expected[: len(images)])
        if apart > TRANSLATED:
            raise BadNetError(_sentence(fmt, apart, question))
    files.write_bytes(path, model.data)
    return Exported(
        path=str(path),
        format=fmt,
        bytes=len(model.data),
        takes=_described(question, pixels),
        outputs=outputs,
        scores=blob,
        images=len(images),
        largest_difference=apart,
        tolerance=TRANSLATED,
    )


def _outputs(question: Question) -> list[str]:
    """The blobs that no layer reads, and that have a row for each image."""
    shapes = infer_shapes(question.net)
    return [blob for blob in shapes.outputs if shapes.blobs[blob][:1] == (1,)]


def _pixel_input(question: Question, bundle: BundleFolder, layout: Layout, order: Order) -> PixelInput:
    how = question.how
    window = data_transformer.middle((how.height, how.width), how.crop)
    mean = data_transformer.per_channel(how.mean) if how.mean else None
    if how.mean_file:
        with _of_bundle(bundle):
            mean = data_transformer.cut(read_mean_image(bundle.mean), window)
    rows, columns = (
        (part.start or 0, side if part.stop is None else part.stop)
        for part, side in zip(window, (how.height, how.width), strict=True)
    )
    shape = (how.channels, how.height, how.width)
    return PixelInput(shape, layout, order, rows, columns, mean, how.scale)


@contextmanager
def _of_bundle(bundle: BundleFolder) -> Iterator[None]:
    """Turn a BadDataError inside the block into a BadNetError of the bundle."""
    try:
        yield
    except BadDataError as error:
        raise BadNetError(f"{bundle.root}: {error}: copy it again from the run") from None


def _described(question: Question, pixels: PixelInput | None) -> str:
    shape = "x".join(map(str, pixels.given if pixels else question.images.shape[1:]))
    if pixels is None:
        return f"float32 NCHW Nx{shape}"
    return f"uint8 {pixels.layout.upper()} Nx{shape}" + (f" {pixels.order}" if pixels.shape[0] == 3 else "")


def _facts(question: Question, bundle: BundleFolder, pixels: PixelInput | None) -> dict[str, str]:
    """Return what is known of the model, as text by name: documents are JSON."""
    manifest = question.manifest
    known = {
        "run": manifest.name and f"{manifest.name}/{manifest.run_id}",
        "iteration": manifest.iteration,
        "accuracy": manifest.accuracy,
        "input": _described(question, pixels),
        "scores": question.golden.blob,
    }
    with _of_bundle(bundle):
        documents = {"labels": read_labels(bundle.labels), "preprocess": question.how.to_json()}
    return {
        **{name: str(value) for name, value in known.items() if value not in (None, "")},
        **{name: json.dumps(value, ensure_ascii=False) for name, value in documents.items()},
    }


@contextmanager
def _exported(
    question: Question,
    fmt: FileFormat,
    outputs: tuple[str, ...],
    pixels: PixelInput | None,
    facts: dict[str, str],
) -> Iterator[ExportedModel]:
    blob = question.golden.blob
    if fmt == "onnx":
        from ftjob.engine.onnx.client import export_onnx

        yield export_onnx(question.net, question.weights, outputs, blob, pixels, facts)
        return
    from ftjob.engine.torch.client import export_program

    with written_deploy(question.net) as deploy:
        log = deploy.with_name("engine.log")
        with export_program(deploy, question.weights, outputs, blob, pixels, facts, log) as model:
            yield model


def _difference(model: ExportedModel, images: NDArray[Any], expected: Scores) -> float:
    """Return the largest difference from the expected scores, of each image alone and in batches."""
    reverse, count = images[::-1], len(images)
    alone = [model.scores(image[np.newaxis]) for image in images]
    batches = [model.scores(reverse[first : first + AT_ONCE]) for first in range(0, count, AT_ONCE)]
    together = np.concatenate(batches)[::-1]
    return max(
        difference(np.concatenate(alone).reshape(count, -1), expected),
        difference(together.reshape(count, -1), expected),
    )


def _sentence(fmt: FileFormat, apart: float, question: Question) -> str:
    layer = _first_different(question) if fmt == "onnx" else None
    place = f', from layer "{layer}" on,' if layer else ""
    return (
        f"{fmt}: its scores{place} differ by {apart:.1e} of the largest from the bundle's, and at most "
        f"{TRANSLATED:g} is allowed: serve the bundle itself"
    )


def _first_different(question: Question) -> str | None:
    """Return the first layer that ONNX Runtime computes otherwise than an engine here; None where that is
    not known."""
    makers = {top: layer.name for layer in question.net.layer for top in layer.top}
    image = question.images[:1]
    with written_deploy(question.net) as deploy:
        log = deploy.with_name("engine.log")
        try:
            with (
                open_deploy("auto", deploy, question.weights, log=log) as engine,
                open_deploy("onnx", deploy, question.weights, log=log) as onnx,
            ):
                mine, its = (net.forward(image, list(makers), at_once=1) for net in (onnx, engine))
        except (EngineError, BadNetError):
            return None
    apart = (blob for blob in makers if difference(mine[blob], its[blob]) > TRANSLATED)
    return next((makers[blob] for blob in apart), None)
