"""The time of day that does not jump: read once, then counted by the monotonic clock."""

import time


class Clock:
    """Seconds since 1970. A machine whose clock is set while we run does not end anybody's budget."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset
