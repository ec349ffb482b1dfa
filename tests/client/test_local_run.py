"""A run on this machine whose output is in a store."""

import pytest

from ftjob.client import local_run
from ftjob.client.local_run import Run
from ftjob.runfolder.status import State, Status


def test_a_run_has_ended_once_its_end_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work folder is ahead of the store: while its worker holds it, the end may not be there yet."""
    held = iter([True, True, False])
    monkeypatch.setattr(local_run, "is_held", lambda _: next(held))
    monkeypatch.setattr(Run, "status", lambda _: Status("digits", "0123456789", State.STOPPED))
    monkeypatch.setattr(Run, "_pause", lambda *_: None)

    updates = list(Run("s3://bucket/runs/digits/0123456789").updates())

    assert [update.ended for update in updates] == [False, False, True]


def test_a_run_in_a_folder_has_ended_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is to be stored."""
    monkeypatch.setattr(local_run, "is_held", lambda _: True)
    monkeypatch.setattr(Run, "status", lambda _: Status("digits", "0123456789", State.STOPPED))

    assert [update.ended for update in Run("/runs/digits/0123456789").updates()] == [True]
