"""Signals ask, the loop answers, as with Caffe's SignalHandler; SIGTERM, which Caffe ignores, included."""

import signal
from types import FrameType
from typing import Self


class StopRequest:
    """Remembers the first signal that asked for an end; the handler does nothing else."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def listen(self) -> Self:
        """Take SIGTERM and SIGINT for as long as the process lives; main thread only."""
        signal.signal(signal.SIGTERM, self._remember)
        signal.signal(signal.SIGINT, self._remember)
        return self

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def reason(self) -> str:
        """Why the run stops: the user's Ctrl-C or cancel, or the machine being taken away."""
        return "Cancelled" if self.signal is signal.SIGINT else "Preempted"

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self.signal is None:
            self.signal = signal.Signals(number)
