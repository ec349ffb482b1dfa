"""The verbs of bundles: verify that they answer the same, export them, and ask them about pictures."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ftjob import api
from ftjob.cli.options import (
    Format,
    KubeContext,
    KubeNamespace,
    Output,
    console,
    print_error,
    print_json,
    write,
)
from ftjob.cli.view import results
from ftjob.errors import BadSpecError, ExitCode

if TYPE_CHECKING:
    from ftjob.answers.answer import PictureAnswer

STDIN = "-"


class AnswerFormat(StrEnum):
    """The formats of answers."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class FileInput(StrEnum):
    """What an exported file takes."""

    PREPARED = "prepared"
    NHWC = "nhwc"
    NCHW = "nchw"


class ChannelOrder(StrEnum):
    """The orders of an image's channels."""

    RGB = "rgb"
    BGR = "bgr"


Show = Callable[[float, float, str], None]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A bundle's folder or URI, NAME, NAME/ID or alias:NAME.")
]
Pictures = Annotated[
    list[str],
    typer.Argument(metavar="IMAGE...", help="Files, folders, URIs, or - to read a list of them from stdin."),
]
BatchImages = Annotated[int, typer.Option(min=1, max=4096, help="Images that the net takes at once.")]
AnswerEngine = Annotated[
    str, typer.Option(help="auto (the fastest installed), caffe, torch, onnx or opencv.")
]
AnswerGpu = Annotated[bool, typer.Option("--gpu", help="Compute on the first GPU.")]
Precision = Annotated[str, typer.Option(help="fp32, tf32, bf16 or fp16; all but fp32 with torch.")]
FaceCrop = Annotated[
    bool | None,
    typer.Option(
        "--face-crop/--no-face-crop",
        help="Cut out the largest face of each image, or not; by default as it was trained.",
    ),
]
AnswersAs = Annotated[
    AnswerFormat, typer.Option("-o", "--output", help="text for people, json for programs, csv for sheets.")
]


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    engine: Annotated[
        str, typer.Option(help="The engine to use: auto, caffe, torch, onnx or opencv.")
    ] = "auto",
    gpu: Annotated[
        bool, typer.Option("--gpu", help="Compute on the first GPU, with torch by default.")
    ] = False,
    precision: Precision = "fp32",
    output: Output = Format.TEXT,
) -> None:
    """Check that a bundle gives the same answers here as where it was made."""
    verification = api.verify(bundle, engine, gpu=gpu, precision=precision)
    if output is Format.JSON:
        print_json(verification.to_json())
    else:
        console().print(results.verified(verification))
    if not verification.ok:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)


def export(
    model: Model,
    onnx: Annotated[
        Path | None, typer.Option("--onnx", help="Write an ONNX file, as ONNX Runtime and OpenCV read it.")
    ] = None,
    torch: Annotated[
        Path | None, typer.Option("--torch", help="Write a program of torch.export (.pt2) for PyTorch.")
    ] = None,
    takes: Annotated[
        FileInput,
        typer.Option("--input", help="What the file takes: prepared images, or uint8 ones that it prepares."),
    ] = FileInput.PREPARED,
    order: Annotated[
        ChannelOrder, typer.Option("--order", help="The order of the channels of uint8 images.")
    ] = ChannelOrder.RGB,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: Output = Format.TEXT,
) -> None:
    """Write a bundle's net for other programs, checked on its golden images."""
    if (path := onnx or torch) is None or (onnx and torch):
        raise BadSpecError("export: give one file, with --onnx or with --torch")
    exported = api.export(
        model,
        path,
        "onnx" if onnx else "torch",
        takes.value,
        order.value,
        context=context,
        namespace=namespace,
    )
    if output is Format.JSON:
        print_json(exported.to_json())
    else:
        console().print(results.exported(exported))


def classify(
    model: Model,
    images: Pictures,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show, most probable first.")] = 5,
    confusion: Annotated[
        bool,
        typer.Option("--confusion", help="Count right and wrong by folders that are named after classes."),
    ] = False,
    batch: BatchImages = 32,
    engine: AnswerEngine = "auto",
    gpu: AnswerGpu = False,
    precision: Precision = "fp32",
    face_crop: FaceCrop = None,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
    output: AnswersAs = AnswerFormat.TEXT,
) -> None:
    """Classify images with a run's model, prepared as it was trained."""
    from ftjob.cli.view import answers as view

    if confusion and output is AnswerFormat.CSV:
        raise BadSpecError("classify: csv has a row for each image and no room for --confusion: use -o json")
    answers = api.classify(
        model,
        _named(images),
        top=top,
        confusion=confusion,
        batch=batch,
        engine=engine,
        gpu=gpu,
        precision=precision,
        face_crop=face_crop,
        context=context,
        namespace=namespace,
    )
    unreadable: list[PictureAnswer] = []
    documents: list[object] = []
    with _progress(output) as show:
        shown = _watched(answers, answers.images, show, unreadable)
        if output is AnswerFormat.JSON:
            documents = [answer.to_json() for answer in shown]
        else:
            lines = view.csv_lines(shown, top) if output is AnswerFormat.CSV else view.text_lines(shown)
            for line in lines:
                write(line)
    counts = answers.counts() if confusion else None
    if output is AnswerFormat.JSON:
        print_json({"answers": documents, "confusion": counts.to_json() if counts else None})
    elif counts:
        console().print(view.counted(counts.evaluation))
    if unreadable:
        print_error(f"{len(unreadable):,} of {answers.images:,} images cannot be read")
        raise typer.Exit(ExitCode.BAD_DATA)


def _named(images: Iterable[str]) -> Iterator[str]:
    """Yield what the arguments name, and in place of - each line of stdin."""
    for name in images:
        if name == STDIN:
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield name


def _progress(output: AnswerFormat) -> AbstractContextManager[Show]:
    """Return a bar on stderr, except where the answers scroll by in its place."""
    from ftjob.cli.view.live import progress_bar

    if output is not AnswerFormat.JSON and sys.stdout.isatty():
        return nullcontext(lambda done, total, what: None)
    return progress_bar(console(stderr=True))


def _watched(
    answers: "Iterable[PictureAnswer]", images: int, show: Show, unreadable: "list[PictureAnswer]"
) -> "Iterator[PictureAnswer]":
    """Yield the answers; collect and name the pictures that cannot be read."""
    for done, answer in enumerate(answers, 1):
        show(done, images, "images")
        if answer.problem:
            unreadable.append(answer)
            print_error(f"{answer.picture}: {answer.problem}")
        yield answer
