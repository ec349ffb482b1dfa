"""How a run on this machine is followed to its end."""

from pathlib import Path

import pytest

from ftjob.client import local_run
from ftjob.client.local_run import Run
from ftjob.errors import StorageError
from ftjob.fs import files
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


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "submit its spec again$"),
        (
            "first\nspec.yaml: is no YAML\n",
            r"submit its spec again \(its log ends with: spec.yaml: is no YAML\)",
        ),
        (
            "OpenBLAS: pthread_create failed\nOpenBLAS: RLIMIT_NPROC 9\n",
            "ends with: no more processes and threads",
        ),
    ],
)
def test_a_worker_that_did_not_start_left_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, words: str
) -> None:
    """The log of its attempt has it, and the status is still the one it was submitted with."""
    run = Run(str(tmp_path / "digits" / "0123456789"))
    run.folder.logs.mkdir(parents=True)
    run.folder.log(1).write_text(log)
    files.write_json(run.folder.status, Status("digits", "0123456789", State.PENDING).to_json())
    monkeypatch.setattr(local_run, "START_SECONDS", 0.0)

    with pytest.raises(StorageError, match=words):
        next(run.updates())
