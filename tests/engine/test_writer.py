"""A snapshot's writer is a copy of a process with threads: locks that these held stay locked in it."""

import json
import os
import time
from pathlib import Path

import pytest

from ftjob.engine.process import snapshotfile, writer
from ftjob.engine.process.writer import StorageError, Writer


def written(of: Writer, folder: Path) -> str:
    """Have the writer fail to save, which is an answer too; return it."""

    def save(_: Path, __: int) -> None:
        raise StorageError("as was to be")

    os.waitpid(of.write(str(folder), 3, save, apart=True), 0)
    of.writer = 0
    error: str = json.loads((folder / snapshotfile.answer_name(3)).read_text())["error"]
    return error


def test_a_copy_that_hangs_gives_way_to_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first copy never gets its lock; the second writes, and nothing is left of the first."""
    monkeypatch.setattr(writer, "PATIENCE", (0.3, 60))
    copies: list[int] = []
    fork = os.fork

    def counted() -> int:
        copies.append(0)
        copies[-1] = fork()
        return copies[-1]

    def rehearse() -> None:
        if len(copies) == 1:
            time.sleep(1000)

    monkeypatch.setattr(os, "fork", counted)

    assert written(Writer(1, 1, 1, rehearse), tmp_path) == "as was to be"
    assert len(copies) == 2
    with pytest.raises(ProcessLookupError):
        os.kill(copies[0], 0)


def test_when_all_copies_hang_no_snapshot_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error like that of a full disk, and the engine goes on."""
    monkeypatch.setattr(writer, "PATIENCE", (0.1, 0.1))

    with pytest.raises(StorageError, match="forks of the engine's process hang"):
        written(Writer(1, 1, 1, lambda: time.sleep(1000)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_copy_that_ends_in_its_rehearsal_is_not_waited_for(tmp_path: Path) -> None:
    """Its end is seen by whoever waits for the answer."""

    def save(_: Path, __: int) -> None:
        raise AssertionError("it has ended before")

    pid = Writer(1, 1, 1, lambda: os._exit(7)).write(str(tmp_path), 3, save, apart=True)

    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert not list(tmp_path.iterdir())
