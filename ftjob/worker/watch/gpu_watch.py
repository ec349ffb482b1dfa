"""A GPU that is paid for and does nothing."""

import threading
import time
from types import TracebackType
from typing import Self

from ftjob.worker.watch.gpu import Gpu

LOOK_SECONDS = 5.0


class Watch:
    """Looks, in a thread, at how long the GPU has been idle."""

    def __init__(
        self, limit_seconds: float | None, gpu: Gpu | None, look_seconds: float = LOOK_SECONDS
    ) -> None:
        """None as the limit, or as the GPU, looks at nothing."""
        self._look = look_seconds
        self.idle = False
        """Whether the GPU did nothing for longer than the limit."""
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        if limit_seconds is not None and gpu is not None:
            self._thread = threading.Thread(
                target=self._watch, args=(limit_seconds, gpu), name="idle", daemon=True
            )

    def __enter__(self) -> Self:
        if self._thread:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread:
            self._thread.join()

    def _watch(self, limit_seconds: float, gpu: Gpu) -> None:
        busy = time.monotonic()
        while not self._end.wait(self._look):
            now = time.monotonic()
            if gpu.busy():
                busy = now
            self.idle = now - busy > limit_seconds
