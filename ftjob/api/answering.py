"""A bundle's answers: proven to be those of where it was made, exported, and given to any picture."""

import tempfile
from collections.abc import Callable, Iterable
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


def serve(
    model: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    name: str | None = None,
    batch: int = 32,
    delay_seconds: float = 0.002,
    queue: int = 256,
    body_bytes: int = 32_000_000,
    pixels: int = 40_000_000,
    linger_seconds: float = 1.0,
    engine: str = "auto",
    gpu: bool = False,
    precision: str = "fp32",
    context: str | None = None,
    namespace: str | None = None,
    on_start: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a bundle, a run or an alias over HTTP until SIGTERM or Ctrl-C; `on_start` receives the address.

    At most `queue` images are under way at a time, `batch` of them in the net. Raises FtjobError where it
    cannot begin, and EngineError where the engine dies again and again.
    """
    from ftjob.web.installed import require_extra

    require_extra("serve", "starlette", "uvicorn", "python_multipart")
    from ftjob.bundle.classifier import read_for_use
    from ftjob.bundle.hardware import choose_hardware
    from ftjob.serve.batching import BatchLimits
    from ftjob.serve.running import Listening, path_name
    from ftjob.serve.running import serve as serve_model
    from ftjob.serve.service import Limits, ServedModel, ServiceOptions

    checked = read_for_use(bundle_folder(model, context, namespace))
    served = ServedModel(
        path_name(name or checked.manifest.name, "model"),
        path_name(checked.manifest.run_id, "1"),
        checked,
        choose_hardware(engine, gpu=gpu, precision=precision, fastest_for=checked.net),
    )
    limits = Limits(body_bytes=body_bytes, pixels=pixels, images=queue)
    options = ServiceOptions(limits, BatchLimits(batch, delay_seconds))
    serve_model(served, Listening(host, port, linger_seconds, service=options), on_start)


def bundle_folder(model: str, context: str | None = None, namespace: str | None = None) -> Path:
    """Return the folder, on this machine, of the bundle that a folder or URI, a run or an alias means.

    Raises BadSpecError, StorageError.
    """
    from ftjob.client.bundle_fetch import bundle_at, bundle_of

    return bundle_at(model) or bundle_of(find(model, context, namespace))
