"""A bundle at work for many callers: pictures in, probabilities out, never more than it can hold."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ftjob.bundle.classifier import Model, open_classifier
from ftjob.bundle.hardware import Hardware
from ftjob.concurrency import processors
from ftjob.dataset.image.pixels import UnreadableImageError, encode_pixels
from ftjob.errors import BadNetError
from ftjob.serve.batching import Batcher, BatchLimits
from ftjob.serve.meters import Meters

T = TypeVar("T")
Picture = tuple[str, bytes]
"""What messages call it, and the bytes of its file."""


@dataclass(frozen=True)
class Limits:
    """What a server takes."""

    body_bytes: int = 32_000_000
    """Of a request."""
    pixels: int = 40_000_000
    """Of a picture: 120 MB where it is decoded in colour."""
    images: int = 256
    """Under way at a time: decoded, waiting or computed."""
    bodies_bytes: int = 512_000_000
    """Of all requests that are being received or answered."""


@dataclass(frozen=True)
class ServiceOptions:
    """How a bundle is served."""

    limits: Limits = field(default_factory=Limits)
    batches: BatchLimits = field(default_factory=BatchLimits)


@dataclass(frozen=True)
class ServedModel:
    """Which model is served."""

    name: str
    version: str
    model: Model
    hardware: Hardware


class BusyError(Exception):
    """There is no room now; the text is a sentence."""


class RefusedPictureError(Exception):
    """A picture that cannot be answered; the text is a sentence that names it."""


class Service:
    """Decodes pictures in threads and has a Batcher compute. Its methods belong to one event loop."""

    def __init__(self, served: ServedModel, options: ServiceOptions, stop: threading.Event) -> None:
        """`stop` is set where the server is about to end, by either side."""
        reader = replace(served.model.reader, most_pixels=options.limits.pixels)
        self.served, self.limits = served, options.limits
        self.meters = Meters()
        self._reader, self._stop = reader, stop
        self._decoding = ThreadPoolExecutor(processors.share(), "decode")
        self._net = Batcher(
            partial(open_classifier, served.model, served.hardware), options.batches, self.meters, stop.set
        )
        self._images = 0
        self._bytes = 0
        self.meters.watch(lambda: self._images, lambda: self.is_ready)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes."""
        return self.served.model.labels

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W) of what the net takes."""
        return self._reader.image

    @property
    def is_ready(self) -> bool:
        """Whether new requests are welcome."""
        return not self._stop.is_set()

    def start(self) -> None:
        """Open the net. Raises FtjobError where that fails."""
        self._net.start()

    def close(self) -> None:
        """End the threads. Raises the FtjobError that ended the net's."""
        self._decoding.shutdown(cancel_futures=True)
        self._net.close()

    async def of_files(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return the probabilities (N, K) of image files, each with the name that messages give it.

        Raises BusyError, RefusedPictureError for the first that cannot be read, FtjobError.
        """
        with self._room_for(len(pictures)):
            prepared = await self._in_threads(self._prepared, pictures)
            return await self._computed(prepared)

    async def of_values(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, K) of prepared pictures (N, C, H, W). Raises as `of_files`."""
        with self._room_for(len(values)):
            return await self._computed(list(values))

    async def seen(self, pictures: Sequence[Picture]) -> list[bytes]:
        """Return the pictures as PNGs as the net sees them, before mean and scale. Raises as `of_files`."""
        with self._room_for(len(pictures)):
            return await self._in_threads(self._small, pictures)

    @contextmanager
    def receiving(self) -> "Iterator[Received]":
        """Count the bytes of a request that is received and answered inside."""
        received = Received(self)
        try:
            yield received
        finally:
            self._bytes -= received.count

    def take_bytes(self, count: int) -> None:
        """Count more bytes as there. Raises BusyError where they are too many."""
        self._bytes += count
        if self._bytes > self.limits.bodies_bytes:
            raise BusyError("the server holds as many requests as it can: try again in a second")

    @contextmanager
    def _room_for(self, count: int) -> Iterator[None]:
        if count > self.limits.images:
            raise RefusedPictureError(f"a request may have {self.limits.images} images, and this has {count}")
        if self._images + count > self.limits.images:
            raise BusyError("the server is busy with as many images as it takes: try again in a second")
        self._images += count
        try:
            yield
        finally:
            self._images -= count

    async def _in_threads(self, work: Callable[[str, bytes], T], pictures: Sequence[Picture]) -> list[T]:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(self._decoding, work, *each) for each in pictures]
        return await asyncio.gather(*calls)

    def _prepared(self, name: str, data: bytes) -> NDArray[np.float32]:
        try:
            return self._reader.read(data)
        except UnreadableImageError as error:
            raise RefusedPictureError(f"{name}: {error}") from None

    def _small(self, name: str, data: bytes) -> bytes:
        try:
            return encode_pixels(self._reader.seen(self._reader.stored(data)), "png")
        except UnreadableImageError as error:
            raise RefusedPictureError(f"{name}: {error}") from None

    async def _computed(self, prepared: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        waiting = [asyncio.wrap_future(self._net.submit(each)) for each in prepared]
        rows = np.stack(await asyncio.gather(*waiting))
        if not np.isfinite(rows).all():
            raise BadNetError("the net's scores of this picture are no numbers")
        self.meters.images.inc(len(rows))
        return rows


@dataclass
class Received:
    """The bytes of one request."""

    service: Service
    count: int = 0

    def add(self, count: int) -> None:
        """Count bytes that arrived. Raises BusyError."""
        self.count += count
        self.service.take_bytes(count)
