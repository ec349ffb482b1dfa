"""Calls beside everything else: until closed, or until one fails."""

import threading

import pytest

from ftjob.concurrency.periodic import Periodic
from ftjob.errors import StorageError

PATIENCE_SECONDS = 60.0


class Counted:
    """A function that counts its calls and fails at one of them."""

    def __init__(self, fails_at: int = 0, error: Exception | None = None) -> None:
        self.calls = 0
        self._fails_at, self._error = fails_at, error
        self._reached = threading.Condition()

    def __call__(self) -> None:
        with self._reached:
            self.calls += 1
            self._reached.notify_all()
        if self._error and self.calls == self._fails_at:
            raise self._error

    def wait_for(self, calls: int) -> None:
        with self._reached:
            assert self._reached.wait_for(lambda: self.calls >= calls, PATIENCE_SECONDS)


def test_it_calls_until_closed() -> None:
    """And not once more, although nobody waits for the pause to end."""
    counted = Counted()
    periodic = Periodic(counted, 0.001, "test").start()
    counted.wait_for(3)
    periodic.close()

    calls = counted.calls
    assert not threading.Event().wait(0.05)
    assert counted.calls == calls
    periodic.check()


@pytest.mark.parametrize(("at_once", "calls"), [(True, 1), (False, 0)])
def test_the_first_call_is_made_at_once_or_after_a_pause(at_once: bool, calls: int) -> None:
    """Closing does not wait for the pause."""
    counted = Counted()
    periodic = Periodic(counted, 3600, "test", at_once=at_once).start()
    counted.wait_for(calls)
    periodic.close()

    assert counted.calls == calls


def test_the_first_failure_ends_it_and_is_raised_by_check() -> None:
    """As often as somebody checks."""
    error = StorageError("the store is gone")
    counted = Counted(fails_at=2, error=error)
    periodic = Periodic(counted, 0.001, "test").start()
    counted.wait_for(2)
    periodic.close()

    for _ in range(2):
        with pytest.raises(StorageError) as raised:
            periodic.check()
        assert raised.value is error
    assert counted.calls == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_is_kept_and_printed() -> None:
    """Whether or not somebody checks, it shows."""
    periodic = Periodic(Counted(fails_at=1, error=ZeroDivisionError()), 3600, "test", at_once=True).start()
    periodic.close()

    with pytest.raises(ZeroDivisionError):
        periodic.check()


def test_what_is_called_may_end_it() -> None:
    """Then there is nothing left to call for."""
    calls = []

    def call() -> None:
        calls.append(1)
        periodic.end()

    periodic = Periodic(call, 0.001, "test", at_once=True)
    periodic.start()
    periodic.close()

    assert calls == [1]


def test_one_that_never_started_can_be_closed() -> None:
    """As one does in a context that was not entered."""
    Periodic(Counted(), 1.0, "test").close()
