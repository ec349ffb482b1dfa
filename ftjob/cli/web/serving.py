"""The verb `serve`: a model behind HTTP."""

from typing import Annotated

import typer

from ftjob import api
from ftjob.cli.bundles import AnswerEngine, AnswerGpu, BatchImages, Model, Precision
from ftjob.cli.options import KubeContext, KubeNamespace, write


def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 is every.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    name: Annotated[str | None, typer.Option(help="The model's name in paths; by default the run's.")] = None,
    batch: BatchImages = 32,
    delay: Annotated[
        float, typer.Option(min=0, max=1000, help="Milliseconds that an image waits for others.")
    ] = 2.0,
    queue: Annotated[
        int, typer.Option(min=1, max=100_000, help="Images under way at a time; more are answered with 503.")
    ] = 256,
    max_body: Annotated[float, typer.Option(min=0.001, max=1024, help="The largest request, in MB.")] = 32.0,
    max_pixels: Annotated[
        float, typer.Option(min=0.001, max=100, help="The largest image, in millions of pixels.")
    ] = 40.0,
    linger: Annotated[
        float,
        typer.Option(min=0, max=600, help="Seconds to answer as before after SIGTERM, while not ready."),
    ] = 1.0,
    engine: AnswerEngine = "auto",
    gpu: AnswerGpu = False,
    precision: Precision = "fp32",
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Answer about images over HTTP with a run's model: KServe's v2 protocol, metrics, a page."""
    api.serve(
        model,
        host=host,
        port=port,
        name=name,
        batch=batch,
        delay_seconds=delay / 1000,
        queue=queue,
        body_bytes=int(max_body * 1_000_000),
        pixels=int(max_pixels * 1_000_000),
        linger_seconds=linger,
        engine=engine,
        gpu=gpu,
        precision=precision,
        context=context,
        namespace=namespace,
        on_start=lambda address: write(f"{address}\n"),
    )
