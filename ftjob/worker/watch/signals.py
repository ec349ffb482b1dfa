"""Turns signals into a request that the loop checks, as Caffe's SignalHandler does; SIGTERM included."""

import signal
from types import FrameType
from typing import Self

from ftjob.errors.outcomes import Reason


class StopRequest:
    """Remembers a request to stop: a signal, whose handler does nothing else, or a spot notice."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.notice = ""
        """Why the machine goes away, if that was announced."""

    def listen(self) -> Self:
        """Handle SIGTERM and SIGINT until the process ends; main thread only."""
        signal.signal(signal.SIGTERM, self._remember)
        signal.signal(signal.SIGINT, self._remember)
        return self

    def __bool__(self) -> bool:
        return self.signal is not None or bool(self.notice)

    @property
    def reason(self) -> Reason:
        """Why the run stops: the user's Ctrl-C or cancel, or the machine being taken away."""
        return Reason.CANCELLED if self.signal is signal.SIGINT else Reason.PREEMPTED

    def notify(self, notice: str) -> None:
        """Record the machine's announced end; from any thread."""
        self.notice = notice

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
