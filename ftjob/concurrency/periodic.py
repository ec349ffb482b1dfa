"""Calls a function every so many seconds in a thread."""

import threading
from collections.abc import Callable
from typing import Self

from ftjob.errors import FtjobError


class Periodic:
    """Calls a function every so many seconds in a daemon thread, until closed or until a call fails."""

    def __init__(
        self, call: Callable[[], object], seconds: float, name: str, *, at_once: bool = False
    ) -> None:
        """`name` is the thread's. The first call is made after the first pause, or `at_once`."""
        self._call, self._seconds, self._at_once = call, seconds, at_once
        self._end = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> Self:
        """Start the thread; once only."""
        self._thread.start()
        return self

    def check(self) -> None:
        """Raise the error of a call, which was the last."""
        if self._failure:
            raise self._failure

    def end(self) -> None:
        """Call no more. Unlike `close`, the function itself may call this."""
        self._end.set()

    def close(self) -> None:
        """Call no more, and wait for the call that is under way."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            if self._at_once:
                self._call()
            while not self._end.wait(self._seconds):
                self._call()
        except FtjobError as error:
            self._failure = error
        except BaseException as error:
            self._failure = error
            raise  # unforeseen: the thread's traceback is printed, whether or not `check` is called
