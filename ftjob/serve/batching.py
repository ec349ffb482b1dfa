"""Runs a net in a thread of its own, on batches of whatever is waiting."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ftjob.bundle.classifier import Classifier
from ftjob.errors import EngineError, FtjobError
from ftjob.serve.meters import Meters

Row = NDArray[np.float32]
OPENINGS = 3
"""How often in a row an engine may die before the server gives up."""
PAUSE_SECONDS = 1.0
"""Before an engine that died again is started."""


@dataclass(frozen=True)
class BatchLimits:
    """How pictures are put together."""

    largest: int = 32
    """Pictures that the net takes at once."""
    delay_seconds: float = 0.002
    """That the first of a batch waits for others."""


@dataclass(frozen=True)
class _Waiting:
    values: Row
    """(C, H, W)."""
    answer: "Future[Row]"
    """Becomes its probabilities (K,)."""
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """An open net, and what waits for it. An engine that dies is started again with the same pictures."""

    def __init__(
        self,
        open_net: Callable[[], AbstractContextManager[Classifier]],
        batches: BatchLimits,
        meters: Meters,
        on_failure: Callable[[], None],
    ) -> None:
        """`on_failure` is called from the thread where the engine cannot be kept alive."""
        self._open, self._batches, self._meters, self._on_failure = open_net, batches, meters, on_failure
        self._condition = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._closed = False
        self._failure: FtjobError | None = None
        self._opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._work, name="net", daemon=True)

    def start(self) -> None:
        """Open the net. Raises FtjobError where that fails."""
        self._thread.start()
        self._opened.result()

    def submit(self, values: Row) -> "Future[Row]":
        """Return what becomes the probabilities (K,) of a prepared picture (C, H, W)."""
        waiting = _Waiting(values, Future())
        with self._condition:
            if self._failure:
                waiting.answer.set_exception(self._failure)
            else:
                self._queue.append(waiting)
                self._condition.notify()
        return waiting.answer

    def close(self) -> None:
        """Answer what is waiting, and end. Raises the FtjobError that the engine could not be kept from."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join()
        if self._failure:
            raise self._failure

    def _work(self) -> None:
        """Keep an engine open until closed, or until it dies too often without an answer between."""
        batch: list[_Waiting] = []
        deaths = 0
        while True:
            try:
                with self._open() as classifier:
                    if not self._opened.done():
                        classifier.probabilities(np.zeros((1, *classifier.model.reader.image), np.float32))
                        self._opened.set_result(None)
                    while batch or (batch := self._next_batch()):
                        self._answer(batch, classifier)
                        batch, deaths = [], 0
                return
            except EngineError as error:
                deaths += 1
                if not self._opened.done() or deaths == OPENINGS:
                    self._fail(error, batch)
                    return
                self._meters.restarts.inc()
                with self._condition:
                    self._condition.wait_for(lambda: self._closed, PAUSE_SECONDS * (deaths - 1))
            except BaseException as error:
                self._fail(EngineError(f"the net cannot be computed: {error!r}"), batch)
                raise

    def _next_batch(self) -> list[_Waiting]:
        """Return pictures that waited, as many as there are room for; none once closed."""
        with self._condition:
            while not self._queue and not self._closed:
                self._condition.wait()
            if not self._queue:
                return []
            until = self._queue[0].since + self._batches.delay_seconds
            while len(self._queue) < self._batches.largest and not self._closed:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._condition.wait(left)
            count = min(len(self._queue), self._batches.largest)
            return [self._queue.popleft() for _ in range(count)]

    def _answer(self, batch: list[_Waiting], classifier: Classifier) -> None:
        self._meters.batch.observe(len(batch))
        with self._meters.compute.time():
            rows = classifier.probabilities(np.stack([each.values for each in batch]))
        for each, row in zip(batch, rows, strict=True):
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_result(row)

    def _fail(self, error: FtjobError, batch: list[_Waiting]) -> None:
        """Give up: everybody who waits gets the error."""
        if not self._opened.done():
            self._opened.set_exception(error)
            return
        with self._condition:
            self._failure = error
            waiting = [*batch, *self._queue]
            self._queue.clear()
        for each in waiting:
            if each.answer.set_running_or_notify_cancel():
                each.answer.set_exception(error)
        self._on_failure()
