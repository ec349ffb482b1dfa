"""A request that is refused is made again, for so long and no longer."""

from collections.abc import Callable

import pytest

from ftjob.concurrency.retry import patiently
from ftjob.errors import BadDataError, FtjobError, StorageError

LONG = 60.0


class LostError(StorageError):
    """What no patience helps against."""


def failing(*errors: FtjobError) -> tuple[Callable[[], str], list[int]]:
    """A request that raises these errors, one a time, and then answers; and a list with an item a call."""
    left, calls = list(errors), []

    def request() -> str:
        calls.append(1)
        if left:
            raise left.pop(0)
        return "answer"

    return request, calls


def test_it_is_made_again_until_it_succeeds() -> None:
    """The caller sees the answer alone."""
    request, calls = failing(StorageError("no"), StorageError("not yet"))

    assert patiently(request, LONG, longest_pause=0.01) == "answer"
    assert len(calls) == 3


def test_when_patience_runs_out_the_last_error_is_raised() -> None:
    """As it is, not wrapped."""
    errors = [StorageError(str(number)) for number in range(1000)]
    request, calls = failing(*errors)

    with pytest.raises(StorageError) as raised:
        patiently(request, 0.1, longest_pause=0.01)
    assert raised.value is errors[len(calls) - 1]


@pytest.mark.parametrize("error", [LostError("lost"), BadDataError("bad")])
def test_what_will_not_change_is_raised_at_once(error: FtjobError) -> None:
    """An error that is final, and one that is no refusal."""
    request, calls = failing(error)

    with pytest.raises(type(error)):
        patiently(request, LONG, final=(LostError,))
    assert len(calls) == 1


def test_patience_may_be_ended() -> None:
    """By somebody who does not wait any longer."""
    request, calls = failing(StorageError("no"), StorageError("no"), StorageError("no"))

    with pytest.raises(StorageError):
        patiently(request, LONG, ended=lambda: len(calls) == 2, longest_pause=0.01)
    assert len(calls) == 2
