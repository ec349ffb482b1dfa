"""A GPU that is paid for and does nothing, and an engine that does not answer any more."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ftjob.worker.gpu import Gpu

LOOK_SECONDS = 5.0
TIMES_SLOWEST = 10
"""An iteration may take that many times as long as the slowest before, however short the limit is."""


class Watch:
    """Looks, in a thread, at how long the GPU has been idle and how long an iteration takes."""

    def __init__(
        self, limit_seconds: float | None, gpu: Gpu | None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """None as the limit looks at nothing."""
        self._limit, self._gpu, self._look = limit_seconds, gpu, look_seconds
        self._busy = time.monotonic()
        self._began: float | None = None
        """When the engine was last heard of while it trains; None while it does something else."""
        self._slowest: float | None = None
        self._kill: Callable[[], None] = lambda: None
        self.idle = False
        """Whether the GPU did nothing for longer than the limit."""
        self.hung = False
        """Whether the engine was killed, because no iteration ended."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="idle", daemon=True)

    def __enter__(self) -> Self:
        if self._limit is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def begin(self, kill: Callable[[], None]) -> None:
        """Iterations are due from now on; `kill` ends an engine that makes none."""
        self._kill, self._began = kill, time.monotonic()

    def beat(self) -> None:
        """An iteration ended."""
        now = time.monotonic()
        if self._began is not None:
            self._slowest = max(self._slowest or 0.0, now - self._began)
        self._began = now

    def pause(self) -> None:
        """No iterations are due for a while: a test, a snapshot."""
        self._began = None

    def _watch(self) -> None:
        while not self._end.wait(self._look):
            now = time.monotonic()
            self._look_at_gpu(now)
            self._look_at_engine(now)

    def _look_at_gpu(self, now: float) -> None:
        if self._gpu is None or self._limit is None:
            return
        if self._gpu.busy():
            self._busy = now
        self.idle = now - self._busy > self._limit

    def _look_at_engine(self, now: float) -> None:
        if self._began is None or self._slowest is None or self._limit is None or self.hung:
            return
        if now - self._began > max(self._limit, TIMES_SLOWEST * self._slowest):
            self.hung = True
            self._kill()
