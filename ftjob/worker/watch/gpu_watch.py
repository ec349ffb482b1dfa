"""Notices a GPU that is paid for and idle."""

import time
from functools import partial
from types import TracebackType
from typing import Self

from ftjob.concurrency.periodic import Periodic
from ftjob.engine.nvml import Device

POLL_SECONDS = 5.0


class Watch:
    """Watches in a thread how long the GPU has been idle."""

    def __init__(
        self, limit_seconds: float | None, gpu: Device | None, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Without a limit or a GPU nothing is watched."""
        self.idle = False
        """Whether the GPU has been idle for longer than the limit."""
        self._busy_at = 0.0
        self._polls: Periodic | None = None
        if limit_seconds is not None and gpu is not None:
            self._polls = Periodic(partial(self._poll, limit_seconds, gpu), poll_seconds, "idle")

    def __enter__(self) -> Self:
        self._busy_at = time.monotonic()
        if self._polls:
            self._polls.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._polls:
            self._polls.close()

    def _poll(self, limit_seconds: float, gpu: Device) -> None:
        now = time.monotonic()
        if gpu.is_busy():
            self._busy_at = now
        self.idle = now - self._busy_at > limit_seconds
