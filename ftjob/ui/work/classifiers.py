"""Bundles that are open in an engine, and classify one picture after another."""

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException

from ftjob.answers.answer import Guess, best
from ftjob.bundle.classifier import Inputs, Model, open_classifier, read_for_use
from ftjob.bundle.hardware import choose_hardware
from ftjob.errors import FtjobError
from ftjob.report.compare.thumbnails import data_uri, small_jpeg
from ftjob.runfolder.layout import BundleFolder

OPEN = 2
"""Bundles at a time: a large net takes a gigabyte."""
MOST_WAITING = 8
LARGEST_SIDE = 512
"""Pixels of the picture that shows what the net saw."""
BUSY = "other pictures are being classified: send it again"


@dataclass(frozen=True)
class SeenPicture:
    """A picture's classes, and what the net saw of it."""

    guesses: tuple[Guess, ...]
    seen: str
    """A data URI."""


class _Open:
    """A bundle's net in an engine, whose process lives as long as the thread that opened it."""

    def __init__(self, bundle: Path) -> None:
        """Raises FtjobError."""
        self.model: Model = read_for_use(bundle)
        hardware = choose_hardware("auto", gpu=False, precision="fp32", fastest_for=self.model.net)
        self._thread = ThreadPoolExecutor(1, "classifier")
        self._opened = ExitStack()
        enter = self._opened.enter_context
        try:
            self._net = self._thread.submit(enter, open_classifier(self.model, hardware)).result()
        except FtjobError:
            self._thread.shutdown()
            raise

    def answer(self, data: bytes, top: int) -> SeenPicture:
        """Raises UnreadableImageError, EngineError."""
        reader = self.model.reader
        stored = reader.stored(data)
        inputs: Inputs = reader.prepared(stored)[None]
        [shares] = self._thread.submit(self._net.probabilities, inputs).result()
        seen = small_jpeg(reader.seen(stored), LARGEST_SIDE)
        return SeenPicture(best(shares, self.model.labels, top), data_uri(seen))

    def close(self) -> None:
        self._thread.submit(self._opened.close)
        self._thread.shutdown()


class Classifiers:
    """The bundles that are open, the last used last."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[Path, int, int], _Open] = OrderedDict()
        self._turn = threading.Lock()
        self._waiting = threading.Semaphore(MOST_WAITING)

    def classify(self, bundle: Path, data: bytes, top: int) -> SeenPicture:
        """Return what a bundle makes of a picture.

        Raises UnreadableImageError, FtjobError, and HTTPException, 503, where too many wait already.
        """
        if not self._waiting.acquire(blocking=False):
            raise HTTPException(503, BUSY)
        try:
            with self._turn:
                return self._classify(bundle, data, top)
        finally:
            self._waiting.release()

    def close(self) -> None:
        """Close all of them."""
        with self._turn:
            while self._open:
                self._open.popitem()[1].close()

    def _classify(self, bundle: Path, data: bytes, top: int) -> SeenPicture:
        found = BundleFolder(bundle).manifest.stat()
        key = (bundle, found.st_mtime_ns, found.st_size)
        if key not in self._open:
            while len(self._open) >= OPEN:
                self._open.popitem(last=False)[1].close()
            self._open[key] = _Open(bundle)
        self._open.move_to_end(key)
        try:
            return self._open[key].answer(data, top)
        except FtjobError:
            self._open.pop(key).close()
            raise
