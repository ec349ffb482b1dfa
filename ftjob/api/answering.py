"""A bundle's answers: proven to be those of where it was made, exported, and given to any picture."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.api.finding import find

if TYPE_CHECKING:
    from ftjob.answers.answer import Classification
    from ftjob.bundle.export import Exported, FileFormat, Takes
    from ftjob.bundle.verify import Verification
    from ftjob.engine.exported import Order


def verify(
    bundle: Path, engine: str = "auto", *, gpu: bool = False, precision: str = "fp32"
) -> "Verification":
    """Prove that a bundle answers here as it did where it was made, with Caffe, or PyTorch where that is not.

    `gpu` computes on the first GPU instead of processors, with PyTorch unless `engine` names Caffe; so does
    another precision (tf32, bf16, fp16), each within its own tolerance. Raises BadSpecError, BadNetError or
    EngineError.
    """
    from ftjob.bundle.verify import verify as verify_bundle

    with tempfile.TemporaryDirectory(prefix="ftjob-") as scratch:
        return verify_bundle(bundle, engine, Path(scratch) / "engine.log", gpu=gpu, precision=precision)


def export(
    model: str,
    path: Path,
    fmt: "FileFormat",
    takes: "Takes" = "prepared",
    order: "Order" = "rgb",
    *,
    context: str | None = None,
    namespace: str | None = None,
) -> "Exported":
    """Write the net of a bundle, a run or an alias as an ONNX file or a program of torch.export.

    It takes prepared images as the net does, or uint8 ones (nhwc, nchw), whose channels are in that `order`,
    and prepares them itself. The file is there once its scores of the golden images are the bundle's. Raises
    FtjobError, and nothing is written.
    """
    from ftjob.bundle.export import export as export_bundle

    return export_bundle(bundle_folder(model, context, namespace), path, fmt, takes, order)


def classify(
    model: str,
    images: Iterable[str],
    *,
    top: int = 5,
    confusion: bool = False,
    batch: int = 32,
    engine: str = "auto",
    gpu: bool = False,
    precision: str = "fp32",
    face_crop: bool | None = None,
    context: str | None = None,
    namespace: str | None = None,
) -> "Classification":
    """Return the answers of a bundle, a run or an alias to pictures, computed as they are taken.

    `images` are files, folders, URIs and http(s) addresses; `confusion` counts right and wrong, where every
    folder has the name of a class. `face_crop` cuts the largest face out of each picture, or does not; None
    does as the bundle's preprocessing says. Raises FtjobError before any engine is started; a picture that
    cannot be read has its `problem` in the answer.
    """
    from ftjob.answers.answer import Classification, ConfusionTally
    from ftjob.answers.pictures import find_pictures
    from ftjob.bundle.classifier import read_for_use
    from ftjob.bundle.hardware import choose_hardware

    checked = read_for_use(bundle_folder(model, context, namespace), face_crop=face_crop)
    hardware = choose_hardware(engine, gpu=gpu, precision=precision, fastest_for=checked.net)
    pictures = list(find_pictures(images))
    return Classification(
        checked,
        pictures,
        hardware,
        top,
        batch,
        ConfusionTally(checked.labels, pictures) if confusion else None,
    )


def bundle_folder(model: str, context: str | None = None, namespace: str | None = None) -> Path:
    """Return the folder, on this machine, of the bundle that a folder or URI, a run or an alias means.

    Raises BadSpecError, StorageError.
    """
    from ftjob.client.bundle_fetch import bundle_at, bundle_of

    return bundle_at(model) or bundle_of(find(model, context, namespace))
