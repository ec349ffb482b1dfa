"""Watches the GPUs that a run computes on: how much they do, and whether one is paid for and idle."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from ftjob.concurrency.periodic import Periodic
from ftjob.engine.nvml import Device, DeviceUse

POLL_SECONDS = 5.0
Uses = list[DeviceUse | None]
"""Of each GPU; None where its driver does not say."""


def ignore(_uses: Uses) -> None:
    """Have no use for what the GPUs do."""


class Watch:
    """Watches GPUs in a thread."""

    def __init__(
        self,
        limit_seconds: float | None,
        gpus: Sequence[Device],
        on_use: Callable[[Uses], None] = ignore,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`on_use` is called with every reading, from the thread. No GPU is idle without a limit, or where
        its driver does not say what it does."""
        self.idle = ""
        """The GPU that has been idle for longer than the limit; empty where none has."""
        self._limit, self._gpus, self._on_use = limit_seconds, gpus, on_use
        self._busy_at: list[float] = []
        self._polls = Periodic(self._poll, poll_seconds, "gpus") if gpus else None

    def __enter__(self) -> Self:
        self._busy_at = [time.monotonic()] * len(self._gpus)
        if self._polls:
            self._polls.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._polls:
            self._polls.close()

    def _poll(self) -> None:
        now, limit = time.monotonic(), self._limit
        uses = [gpu.use() for gpu in self._gpus]
        for number, use in enumerate(uses):
            if use is None or use.utilization > 0:
                self._busy_at[number] = now
        idle = [limit is not None and now - busy_at > limit for busy_at in self._busy_at]
        self.idle = self._title(idle.index(True)) if any(idle) else ""
        self._on_use(uses)

    def _title(self, number: int) -> str:
        return "the GPU" if len(self._gpus) == 1 else f"GPU {number + 1} of {len(self._gpus)}"
